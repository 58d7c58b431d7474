import type { SeatPage } from '../../fixtures/seat_page.ts';
import { expect, test } from '../../fixtures/test.ts';
import { plainImage, sampling } from '../../fixtures/graphs.ts';
import type { Workshop } from '../../fixtures/workshop.ts';

const faults: { name: string; strike: (workshop: Workshop) => Promise<void> }[] = [
  { name: 'a restart of the server', strike: (workshop) => workshop.restartServer('SIGTERM') },
  { name: 'a killed server', strike: (workshop) => workshop.restartServer('SIGKILL') },
  { name: 'a killed Redis', strike: (workshop) => workshop.killRedis() },
];

for (const { name, strike } of faults) {
  test(`${name} in mid-queue loses nothing and repeats nothing, and pages reconnect by themselves`, async ({ settle, workshop }) => {
    const anna = await settle();
    const ben = await settle();
    for (const person of [anna, ben]) person.guard.tolerateOutage();
    try {
      const jobs = new Map<SeatPage, string[]>([[anna, []], [ben, []]]);
      const queue = async (person: SeatPage, job: Promise<string>) => jobs.get(person)?.push(await job);
      await queue(anna, anna.editor.runGraph(sampling('running', 200)));
      await anna.editor.progress();
      await queue(ben, ben.editor.runGraph(plainImage('second')));
      await queue(anna, anna.submit(plainImage('third')));
      await queue(ben, ben.submit(plainImage('fourth')));

      await strike(workshop);

      for (const [person, ids] of jobs) {
        for (const job of ids) await person.finished(job, 120_000);
        expect(Object.keys(await person.history()).sort()).toEqual([...ids].sort());
        await expect(person.connection).toHaveText('Live');
        await person.openPanel('Gallery');
        await expect(person.tiles).toHaveCount(2);
      }
      // The editor's own socket is back too: it shows what runs from now on.
      await ben.editor.runGraph(plainImage('afterwards'));
      await ben.editor.picture('afterwards');
      await expect(ben.tiles).toHaveCount(3);
    } finally {
      await workshop.mend();
    }
  });
}
