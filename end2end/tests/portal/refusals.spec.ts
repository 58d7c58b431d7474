import { expect, test } from '../../fixtures/test.ts';
import { MAX_PROMPT_BYTES } from '../../fixtures/workshop.ts';

test('another seat’s page is 404 and says what to do', async ({ arrive, workshop }) => {
  const anna = await arrive();
  const ben = workshop.nextSeat();
  await anna.join();
  anna.guard.tolerate(new RegExp(`^404 GET ${workshop.url}/user/${ben.id}$`));
  const answer = await anna.page.goto(`${workshop.url}/user/${ben.id}`);
  expect(answer?.status()).toBe(404);
  await expect(anna.page.getByRole('heading', { level: 1 })).toHaveText('There is nothing here for you');
  await anna.page.getByRole('link', { name: 'Go to the start page' }).click();
  await expect(anna.page.getByRole('link', { name: `Go to ${anna.seat.id}` })).toBeVisible();
});

test('without a session the seat’s page is 401 and names the join link', async ({ arrive }) => {
  const stranger = await arrive();
  stranger.guard.tolerate(/^401 GET /);
  const answer = await stranger.page.goto(stranger.address());
  expect(answer?.status()).toBe(401);
  await expect(stranger.page.getByRole('heading', { level: 1 })).toHaveText('Open your join link first');
  await expect(stranger.page.locator('iframe')).toHaveCount(0);
});

test('a forged session cookie opens nothing', async ({ arrive, workshop }) => {
  const anna = await arrive();
  await anna.join();
  const session = (await anna.context.cookies()).find(({ name }) => name === 'comfy_multi');
  expect(session).toMatchObject({ httpOnly: true, sameSite: 'Lax' });

  const forger = await arrive();
  forger.guard.tolerate(/^401 GET /);
  const forged = [...(session?.value ?? '')].reverse().join('');
  for (const value of [forged, 'user001', '']) {
    await forger.context.addCookies([{ name: 'comfy_multi', value, url: workshop.url }]);
    expect((await forger.page.goto(anna.address()))?.status(), value).toBe(401);
    const api = await forger.context.request.get(`${anna.editor.base}api/queue`);
    expect(api.status(), value).toBe(401);
    expect(await api.json()).toHaveProperty('error.message', expect.stringContaining('join link'));
  }
});

test('a join link that is cut off leads to the start page, which says so', async ({ arrive }) => {
  const stranger = await arrive();
  await stranger.page.goto(stranger.seat.joinUrl.slice(0, -3));
  await expect(stranger.page).toHaveURL(/\/\?notice=bad-link$/);
  await expect(stranger.page.locator('html[data-hydrated="true"]')).toBeAttached();
  await expect(stranger.page.getByText('That join link does not work')).toBeVisible();
  expect(await stranger.context.cookies()).toEqual([]);
});

test('the short forms that people type lead to the seat', async ({ arrive, workshop }) => {
  const anna = await arrive();
  await anna.join();
  const number = Number(anna.seat.id.replace('user', ''));
  for (const typed of [`${number}`, `user${number}`, `${anna.seat.id}/`]) {
    await anna.page.goto(`${workshop.url}/user/${typed}`);
    await expect(anna.page).toHaveURL(anna.address());
  }
});

test('bodies that are too large or no JSON are refused in ComfyUI’s shape', async ({ arrive }) => {
  const anna = await arrive();
  await anna.join();
  const post = async (path: string, data: string) => {
    const answer = await anna.context.request.post(`${anna.editor.base}api/${path}`, { data, headers: { 'content-type': 'application/json' } });
    return { status: answer.status(), body: (await answer.json()) as { error: { type: string; message: string }; node_errors: object } };
  };
  const oversized = await post('prompt', JSON.stringify({ prompt: {}, padding: 'x'.repeat(MAX_PROMPT_BYTES) }));
  expect(oversized.status).toBe(413);
  expect(oversized.body.error.message).toContain('1 MB');
  expect(oversized.body.node_errors).toEqual({});
  for (const text of ['', '{', '[]', '"prompt"', '{"prompt": 7}']) {
    const refused = await post('prompt', text);
    expect(refused.status, text).toBe(400);
    expect(refused.body.error.message, text).toBeTruthy();
  }
  const unknown = await anna.context.request.get(`${anna.editor.base}api/no-such-route`);
  expect(unknown.status()).toBe(404);
});

test('another site’s page cannot act for a participant', async ({ arrive }) => {
  const anna = await arrive();
  await anna.join();
  const answer = await anna.context.request.post(`${anna.editor.base}api/queue`, {
    data: { clear: true },
    headers: { origin: 'https://elsewhere.example' },
  });
  expect(answer.status()).toBe(403);
});
