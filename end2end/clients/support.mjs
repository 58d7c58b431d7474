/**
 * What the JavaScript scripts share: what to do, from the environment, and how to tell what
 * came of it. Nothing of a client is touched here. Names below `localhost` are this machine
 * (RFC 6761), which browsers know and Node's resolver does not.
 */
import { createHash } from 'node:crypto';
import dns from 'node:dns';
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';

export const base = process.env.COMFY_BASE;
export const token = process.env.COMFY_TOKEN ?? '';
export const headers = token ? { Authorization: `Bearer ${token}` } : {};

const { lookup } = dns;
dns.lookup = (host, ...rest) => lookup(host.endsWith('.localhost') ? '127.0.0.1' : host, ...rest);

const pictureFile = process.env.COMFY_PICTURE;
export const picture = { name: basename(pictureFile), bytes: readFileSync(pictureFile) };

export function graph(image) {
  const nodes = JSON.parse(readFileSync(new URL('./graph.json', import.meta.url), 'utf8'));
  nodes['1'].inputs.image = image;
  return nodes;
}

export function tell(promptId, bytes, messages) {
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  process.stdout.write(`${JSON.stringify({ promptId, sha256, messages })}\n`);
}
