/**
 * Three gigabytes through the real server: its memory hardly grows, a cut connection loses
 * nothing, and a file that is not what was announced is dropped. No file of that size is made
 * here: its bytes are one block over and over.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { request, type IncomingMessage } from 'node:http';

import { modelHeader } from '../../fixtures/model_file.ts';
import { until } from '../../fixtures/process.ts';
import { expect, test } from '../../fixtures/test.ts';

const GIB = 2 ** 30;
const MIB = 2 ** 20;
const MAX_GROWTH_BYTES = 32 * MIB;
const BLOCK = Buffer.alloc(MIB, 'not all the same ');

interface Reply {
  status: number;
  headers: IncomingMessage['headers'];
  text: string;
}

/** The bytes of the file from `from` to `to`: a header, then the block over and over. */
function* content(header: Buffer, from: number, to: number): Generator<Buffer> {
  let at = from;
  while (at < to) {
    const inBlock = at < header.length ? at : (at - header.length) % BLOCK.length;
    const piece = (at < header.length ? header : BLOCK).subarray(inBlock);
    const cut = piece.subarray(0, to - at);
    yield cut;
    at += cut.length;
  }
}

/** Sends a request whose body comes in pieces; hangs up after `cutAfter` bytes of it. */
async function send(url: string, method: string, headers: Record<string, string | number>, body: Iterable<Buffer> = [], cutAfter = Infinity): Promise<Reply | undefined> {
  const sending = request(url, { method, headers: { 'Tus-Resumable': '1.0.0', ...headers } });
  const reply = new Promise<Reply | undefined>((resolve, reject) => {
    sending.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => (text += part));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
    });
    sending.on('error', (error) => (sending.destroyed && cutAfter !== Infinity ? resolve(undefined) : reject(error)));
  });
  let sent = 0;
  for (const piece of body) {
    if (sent >= cutAfter) {
      sending.destroy();
      return reply;
    }
    sent += piece.length;
    if (!sending.write(piece)) await new Promise<void>((resolve) => sending.once('drain', resolve).once('close', resolve));
  }
  sending.end();
  return reply;
}

function anonymousBytes(pid: number): number {
  const line = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(line?.[1]) * 1024;
}

function metadata(pairs: Record<string, string>): string {
  return Object.entries(pairs).map(([key, value]) => `${key} ${Buffer.from(value).toString('base64')}`).join(',');
}

test('3 GiB grow the server by less than 32 MiB, survive a cut, and a wrong hash is refused', async ({ workshop }) => {
  const seat = workshop.nextSeat();
  const joined = await fetch(seat.joinUrl, { redirect: 'manual' });
  const cookie = (joined.headers.get('set-cookie') ?? '').split(';')[0] ?? '';
  const uploads = `${workshop.url}/user/${seat.id}/uploads`;
  const begin = async (name: string, length: number, sha256: string) => {
    const sent = metadata({ filename: name, kind: 'model', folder: 'loras', sha256 });
    const reply = await send(uploads, 'POST', { Cookie: cookie, 'Upload-Length': length, 'Upload-Metadata': sent, 'Content-Length': 0 });
    expect(reply?.status, reply?.text).toBe(201);
    return workshop.url + String(reply?.headers.location);
  };
  const patch = (upload: string, header: Buffer, from: number, to: number, cutAfter?: number) => {
    const headers = { Cookie: cookie, 'Upload-Offset': from, 'Content-Length': to - from, 'Content-Type': 'application/offset+octet-stream' };
    return send(upload, 'PATCH', headers, content(header, from, to), cutAfter);
  };
  const offset = async (upload: string) => {
    const reply = await send(upload, 'HEAD', { Cookie: cookie });
    expect(reply?.status).toBe(200);
    return Number(reply?.headers['upload-offset']);
  };

  const header = modelHeader(3 * GIB);
  const length = header.length + 3 * GIB;
  const hash = createHash('sha256');
  for (const piece of content(header, 0, length)) hash.update(piece);
  const upload = await begin('big.safetensors', length, hash.digest('hex'));

  const before = anonymousBytes(workshop.serverPid);
  let most = before;
  const watch = setInterval(() => (most = Math.max(most, anonymousBytes(workshop.serverPid))), 50);
  try {
    expect(await patch(upload, header, 0, length, GIB)).toBeUndefined();
    // The server ends the broken request before it lets another go on.
    const arrived = await until('the broken request ends', 30_000, async () => {
      const at = await offset(upload);
      const reply = await patch(upload, header, at, at);
      return reply?.status === 204 ? at : undefined;
    });
    expect(arrived).toBeGreaterThan(GIB / 2);
    expect(arrived).toBeLessThan(length);
    const last = await patch(upload, header, arrived, length);
    expect(last?.status, last?.text).toBe(204);
    expect(await offset(upload)).toBe(length);
  } finally {
    clearInterval(watch);
  }
  const growth = most - before;
  console.log(`the server grew by ${(growth / MIB).toFixed(1)} MiB`);
  expect(growth).toBeLessThan(MAX_GROWTH_BYTES);

  const small = modelHeader(8 * MIB);
  const wrong = await begin('wrong.safetensors', small.length + 8 * MIB, 'a'.repeat(64));
  const refused = await patch(wrong, small, 0, small.length + 8 * MIB);
  expect(refused?.status).toBe(460);
  expect(refused?.text).toContain('SHA-256');
  expect((await send(wrong, 'HEAD', { Cookie: cookie }))?.status).toBe(410);
});
