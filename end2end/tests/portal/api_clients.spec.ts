import { expectResult, runClient } from '../../fixtures/clients.ts';
import { plainImage } from '../../fixtures/graphs.ts';
import type { SeatPage } from '../../fixtures/seat_page.ts';
import { expect, test } from '../../fixtures/test.ts';

/** What a client sees of its own job, beside `status`. */
const FOLLOWED = ['execution_start', 'executing', 'executed', 'execution_success'];

/** They can follow, and be told to use a path and a token. */
const CLIENTS_BELOW_A_PATH = ['script_example.py', 'comfykit_client.py', 'saintno_sdk.mjs', 'stable_canvas.mjs'];
/** These want their ComfyUI, or at least its WebSocket, at the root of a host. */
const CLIENTS_AT_THE_ROOT = ['comfy_api_simplified_client.py', 'stable_canvas.mjs'];

async function makeToken(person: SeatPage, name: string): Promise<string> {
  const { origin } = new URL(person.seat.joinUrl);
  const made = await person.context.request.post(`${origin}/api/make-api-token`, { form: { seat: person.seat.id, name } });
  expect(made.status(), await made.text()).toBe(200);
  return ((await made.json()) as { secret: string }).secret;
}

test('unmodified clients queue, follow and fetch below a seat’s path with a token', async ({ arrive }, testInfo) => {
  const anna = await arrive();
  await anna.join();
  const token = await makeToken(anna, 'my laptop');
  const base = anna.editor.base.replace(/\/$/, '');
  const { request } = anna.context;
  for (const script of CLIENTS_BELOW_A_PATH) {
    const { messages } = await expectResult(script, { base, token, folder: testInfo.outputPath() }, request, base);
    // Not all of them say what they were told.
    if (messages.length > 0) expect(messages, script).toEqual(expect.arrayContaining(FOLLOWED));
  }
  const history = await anna.history();
  expect(Object.keys(history)).toHaveLength(CLIENTS_BELOW_A_PATH.length);
});

test('in an open room unmodified clients need no token, and at a seat’s own host no path', async ({ openBeside, request }, testInfo) => {
  const open = await openBeside({
    ACCESS_MODE: 'open',
    PUBLIC_URL: 'http://localhost:PORT',
    SEAT_HOST_PATTERN: '{seat}.localhost:PORT',
  });
  const { id } = open.nextSeat();
  const base = open.url.replace('//', `//${id}.`);
  for (const script of CLIENTS_AT_THE_ROOT) {
    // Playwright's own requests resolve names as Node does.
    const headers = { host: new URL(base).host };
    const told = await runClient(script, { base, folder: testInfo.outputPath() });
    // One of them opens its socket only after it has queued, when a quick job may be over.
    const least = script === 'stable_canvas.mjs' ? FOLLOWED.slice(0, 3) : ['status'];
    expect(told.messages, script).toEqual(expect.arrayContaining(least));
    const history = await request.get(`${open.localUrl}/history/${told.promptId}`, { headers });
    expect(await history.json(), script).toHaveProperty([told.promptId, 'status', 'status_str'], 'success');
  }
});

test('a wrong token is told so, and a revoked one is shut out at once', async ({ arrive }, testInfo) => {
  const anna = await arrive();
  await anna.join();
  const base = anna.editor.base.replace(/\/$/, '');
  const target = { base, token: 'cm-of-nobody', folder: testInfo.outputPath() };
  await expect(runClient('script_example.py', target)).rejects.toThrow(/API token is not valid/);

  const panel = await anna.openPanel('Help');
  await expect(panel.getByLabel(`API address of ${anna.seat.id}`)).toHaveValue(base);
  await expect(panel).toContainText('No API tokens');
  await panel.getByLabel('Name of the new API token').fill('A script');
  await panel.getByRole('button', { name: 'Make an API token' }).click();
  const token = await panel.getByLabel('New API token', { exact: true }).inputValue();
  const tokens = panel.getByRole('list', { name: 'API tokens' }).getByRole('listitem');
  await expect(tokens).toHaveCount(1);
  await expect(tokens).toContainText('never used');

  const headers = { authorization: `Bearer ${token}`, cookie: '' };
  const queue = async (seat: string) => {
    const { origin } = new URL(base);
    return (await fetch(`${origin}/user/${seat}/comfy/queue`, { headers })).status;
  };
  expect(await queue(anna.seat.id)).toBe(200);
  expect(await queue(anna.seat.id === 'user001' ? 'user002' : 'user001'), 'another seat').toBe(404);

  await anna.page.reload();
  await anna.hydrated();
  await expect(panel.getByLabel('New API token', { exact: true })).toHaveCount(0);
  await expect(tokens).toContainText('last used');
  await tokens.getByText('Revoke', { exact: true }).click();
  await tokens.getByRole('button', { name: 'Yes, revoke it' }).click();
  await expect(panel).toContainText('No API tokens');
  expect(await queue(anna.seat.id)).toBe(401);
  // The page goes on by its session.
  await anna.finished(await anna.submit(plainImage('after')));
});
