/** Seats at host names of their own: the browser itself keeps them apart. */
import { plainImage } from '../../fixtures/graphs.ts';
import { Editor } from '../../fixtures/editor.ts';
import { Instructor } from '../../fixtures/instructor.ts';
import { Guard } from '../../fixtures/guard.ts';
import { expect, test } from '../../fixtures/test.ts';

test('at its own host a seat has portal and editor, out of reach of other seats’ pages; the instructor looks on', async ({
  browser,
  openBeside,
  generation,
}) => {
  const workshop = await openBeside({ PUBLIC_URL: 'http://localhost:PORT', SEAT_HOST_PATTERN: '{seat}.localhost:PORT' });
  const context = await browser.newContext();
  const enter = async () => {
    const seat = workshop.nextSeat();
    const origin = workshop.url.replace('//', `//${seat.id}.`);
    const page = await context.newPage();
    const guard = new Guard(context, origin);
    // The link that people are given names the workshop's host.
    await page.goto(seat.joinUrl);
    await expect(page).toHaveURL(`${origin}/user/${seat.id}`);
    await expect(page.locator('.bar .connection')).toHaveText('Live');
    const editor = new Editor(page, `${origin}/user/${seat.id}/comfy/`);
    await editor.closeTemplates(generation);
    await editor.ready();
    return { seat, origin, page, editor, guard };
  };
  const anna = await enter();
  await anna.editor.runGraph(plainImage('at-home', 0x3060c0));
  expect(await anna.editor.colourOf(await anna.editor.picture('at-home'))).toEqual([0x30, 0x60, 0xc0]);
  await anna.page.locator('header.bar').getByRole('link', { name: 'Gallery' }).click();
  await expect(anna.page.locator('a.tile')).toHaveAccessibleName('at-home_00001_.png');

  const ben = await enter();
  const reach = (path: string) =>
    ben.page.evaluate((url) => fetch(url, { credentials: 'include' }).then(({ status }) => `${status}`, () => 'refused by the browser'), path);
  expect(await reach(`${ben.origin}/queue`)).toBe('200');
  expect([...anna.guard.found(), ...ben.guard.found()]).toEqual([]);
  expect(await reach(`${anna.origin}/queue`)).toBe('refused by the browser');
  expect(await reach(`${ben.origin}/user/${anna.seat.id}/comfy/api/queue`)).toBe('404');
  const cookies = (await context.cookies()).filter(({ name }) => name === 'comfy_multi');
  expect(cookies.map(({ domain }) => domain).sort()).toEqual([anna.seat, ben.seat].map(({ id }) => `${id}.localhost`));

  const instructor = await Instructor.signIn(browser, workshop);
  await instructor.page.goto(`${workshop.url}/user/${anna.seat.id}`);
  await expect(instructor.page).toHaveURL(`${anna.origin}/user/${anna.seat.id}`);
  await expect(instructor.page.getByText(`You are looking at ${anna.seat.id}'s workspace`)).toBeVisible();
  await new Editor(instructor.page, anna.editor.base).ready();
  await instructor.leave();
  await context.close();
});
