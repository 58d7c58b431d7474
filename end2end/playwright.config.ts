/**
 * Browser tests against the real processes: server, its Redis, worker, ComfyUI on CPU.
 *
 * Each project is one generation of the official editor and runs one workshop, so tests
 * run one after the other and take a seat each.
 */
import { defineConfig, devices } from '@playwright/test';

import type { WorkshopOptions } from './fixtures/test.ts';
import { chromium, frontendOf, takesScreenshots } from './fixtures/places.ts';

const editor = (generation: '1.32' | '1.58') => ({
  name: `editor-${generation}`,
  testDir: './tests/editor',
  use: { frontendDir: frontendOf(generation), generation },
});

export default defineConfig<object, WorkshopOptions>({
  outputDir: './results',
  reporter: [['list']],
  workers: 1,
  fullyParallel: false,
  forbidOnly: true,
  // A retry would hide exactly the races that these tests are for.
  retries: 0,
  // ComfyUI on a busy two-core machine is slow, and starting it is part of some tests.
  timeout: 300_000,
  expect: { timeout: 60_000 },
  use: {
    ...devices['Desktop Chrome'],
    viewport: { width: 1280, height: 800 },
    // The instructor's page lists over a hundred seats and moves with the job that runs.
    actionTimeout: 60_000,
    navigationTimeout: 60_000,
    screenshot: 'only-on-failure',
    trace: process.env.TRACE === '1' ? 'retain-on-failure' : 'off',
    launchOptions: {
      executablePath: chromium,
      args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'],
    },
  },
  projects: [
    // What has nothing to do with the editor is tested once.
    { ...editor('1.32'), testDir: './tests' },
    editor('1.58'),
    ...(takesScreenshots ? [{ ...editor('1.58'), name: 'screenshots', testDir: './screenshots' }] : []),
  ],
});
