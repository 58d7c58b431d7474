/** Pictures, masks and videos that a participant brings in through the editor itself. */
import { expect, test } from '../../fixtures/test.ts';
import { maskAsPicture, savedVideo, videoFrame } from '../../fixtures/graphs.ts';
import { solidPng } from '../../fixtures/png.ts';

test('a picture is uploaded, a mask drawn on it in the mask editor, and the mask is run', async ({ settle }) => {
  const anna = await settle();
  await anna.editor.open(maskAsPicture('masked'));
  await anna.editor.upload({ name: 'photo.png', mimeType: 'image/png', buffer: solidPng([200, 40, 40], 256) });

  await anna.editor.paintMask();
  const chosen = await anna.editor.widget('LoadImage', 'image');
  expect(chosen).toMatch(/clipspace-painted-masked-\d+\.png/);

  await anna.editor.run();
  const picture = await anna.editor.picture('masked');
  // The mask is bright where the brush went, the middle, and black in the corner.
  const [brightness] = await anna.editor.colourOf(picture);
  expect(brightness).toBeGreaterThan(150);
  expect(await anna.editor.colourOf(picture, { x: 2, y: 2 })).toEqual([0, 0, 0]);
});

test('a video is uploaded in the editor and run', async ({ settle }) => {
  const anna = await settle();
  const made = await anna.finished(await anna.submit(savedVideo('made', 0x20c040)));
  const [video] = Object.values(made.outputs).flatMap(({ images }) => images ?? []);
  if (!video) throw new Error('no video was saved');
  const answer = await anna.context.request.get(`${anna.editor.base}api/view`, { params: { ...video } });
  expect(answer.headers()['content-type']).toBe('video/mp4');

  await anna.editor.open(videoFrame('frame'));
  await anna.editor.upload({ name: 'clip.mp4', mimeType: 'video/mp4', buffer: await answer.body() }, 'LoadVideo');
  await anna.editor.run();
  const [red, green, blue] = await anna.editor.colourOf(await anna.editor.picture('frame'));
  // H.264 keeps a colour only nearly.
  expect(green).toBeGreaterThan(150);
  expect(red).toBeLessThan(90);
  expect(blue).toBeLessThan(120);
});
