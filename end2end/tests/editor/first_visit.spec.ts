import { expect, test } from '../../fixtures/test.ts';
import { plainImage } from '../../fixtures/graphs.ts';

const screens = [
  { name: 'desktop', options: { viewport: { width: 1280, height: 800 } } },
  { name: 'phone', options: { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true } },
] as const;

for (const { name, options } of screens) {
  for (const theme of ['dark', 'light'] as const) {
    test(`the join link leads to the seat's page with the editor in it: ${name}, ${theme}`, async ({ arrive, workshop }) => {
      const anna = await arrive(options);
      await anna.context.addCookies([{ name: 'theme', value: theme, url: workshop.url }]);
      await anna.join();
      await expect(anna.page.locator('html')).toHaveAttribute('data-theme', theme);
      await expect(anna.page.locator('html')).toHaveCSS('color-scheme', theme);
      await anna.editor.frame().waitForFunction(() => window.app?.graph && window.app.canvas);
      await expect(anna.bar).toContainText('GPU ready');

      const isWider = await anna.page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
      expect(isWider, 'nothing sticks out sideways').toBe(false);
      const cut = await anna.bar.evaluate((bar) =>
        [...bar.querySelectorAll('a, button, span, p')]
          .filter((element) => element.getBoundingClientRect().right > window.innerWidth + 0.5)
          .map((element) => element.className),
      );
      expect(cut, 'the whole bar can be seen').toEqual([]);
    });
  }
}

test('a new participant closes the greeting and runs something', async ({ arrive, generation }) => {
  const anna = await arrive();
  await anna.join();
  await anna.editor.closeTemplates(generation);
  await anna.editor.ready();
  await anna.editor.runGraph(plainImage('hello'));
  await anna.editor.picture('hello');
});

test('the bar and the drawer read well without eyes', async ({ settle }) => {
  const anna = await settle();
  await expect(anna.bar).toMatchAriaSnapshot(`
    - banner:
      - link "Test workshop"
      - text: /user\\d+/
      - paragraph: No jobs. Press Run in the editor.
      - text: GPU ready
      - navigation "Drawer":
        - link "Queue"
        - link "Gallery"
        - link "Files"
        - link "Workflows"
        - link "Help"
      - 'button "Colours: dark. Change to light"'
      - status "Live"
  `);
  const tabs = `
      - navigation "Panels":
        - link "Queue"
        - link "Gallery"
        - link "Files"
        - link "Workflows"
        - link "Help"
        - link "Close"`;
  await expect(await anna.openPanel('Queue')).toMatchAriaSnapshot(`
    - complementary "Queue":${tabs}
      - heading "My jobs" [level=2]
      - paragraph: Nobody is in line.
      - paragraph: No jobs yet
      - paragraph: Press Run in the editor, and your job appears here with its place in line.
  `);
  await expect(await anna.openPanel('Gallery')).toMatchAriaSnapshot(`
    - complementary "Gallery":${tabs}
      - heading "My results" [level=2]
      - paragraph: No results yet
      - paragraph: Pictures, videos and sounds that your jobs save are kept here.
      - list
  `);
  await expect(await anna.openPanel('Help')).toMatchAriaSnapshot(`
    - complementary "Help":${tabs}
      - heading "Run something" [level=2]
      - heading "What the bar says" [level=2]
      - heading "Your results" [level=2]
      - heading "When something fails" [level=2]
  `);
});

test('the drawer opens and closes by mouse, keyboard and address', async ({ settle }) => {
  const anna = await settle();
  const link = anna.bar.getByRole('link', { name: 'Queue' });
  const drawer = anna.page.getByRole('complementary', { name: 'Queue' });
  await link.click();
  await expect(drawer).toContainText('No jobs yet');
  await expect(link).toHaveAttribute('aria-expanded', 'true');
  await drawer.getByRole('link', { name: 'Gallery' }).focus();
  await anna.page.keyboard.press('Escape');
  await expect(drawer).toBeHidden();
  await anna.page.goto(anna.address('help'));
  await expect(anna.page.getByRole('complementary', { name: 'Help' })).toContainText('What the bar says');
});

test('the theme button changes the colours at once and for the next visit', async ({ settle }) => {
  const anna = await settle();
  const root = anna.page.locator('html');
  await expect(root).toHaveAttribute('data-theme', 'dark');
  await anna.bar.getByRole('button', { name: /^Colours: dark/ }).click();
  await expect(root).toHaveAttribute('data-theme', 'light');
  await expect.poll(async () => (await anna.context.cookies()).find(({ name }) => name === 'theme')?.value).toBe('light');
  await anna.page.reload();
  await expect(root).toHaveAttribute('data-theme', 'light');
});
