// Drives a real Chromium, for the tests.
//
// Arrives: { home, profile, steps } as JSON in the first argument; `home` has the NSS database with the roots and the device's key.
// Leaves: one JSON line with what each step gave, and exit code 0; or what went wrong, and 1.
// Steps: ["goto", url] ["fill", selector, text] ["click", selector] ["shot", file] ["script", text]
// `goto` and `click` wait until the page that they lead to has loaded, redirects and all; `goto` gives { status, url, text }.
import { chromium } from 'playwright-core';

const { home, profile, steps } = JSON.parse(process.argv[2]);
const context = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  headless: true,
  env: { ...process.env, HOME: home },
  args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
  viewport: { width: 1000, height: 760 },
  timeout: 60_000,
});
const page = context.pages()[0] ?? (await context.newPage());
page.setDefaultTimeout(30_000);

const actions = {
  goto: async (url) => {
    const answer = await page.goto(url, { waitUntil: 'load' });
    return { status: answer.status(), url: page.url(), text: await page.innerText('body') };
  },
  fill: async (selector, text) => page.fill(selector, text),
  click: async (selector) => {
    const [answer] = await Promise.all([page.waitForNavigation({ waitUntil: 'load' }), page.click(selector)]);
    return { status: answer?.status(), url: page.url(), text: await page.innerText('body') };
  },
  shot: async (path) => {
    await page.screenshot({ path, fullPage: true });
  },
  script: async (text) => page.evaluate(text),
};

const given = [];
try {
  for (const [name, ...parameters] of steps) given.push((await actions[name](...parameters)) ?? null);
  console.log(JSON.stringify(given));
} catch (error) {
  console.error(String(error), JSON.stringify(given), page.url(), await page.innerText('body').catch(() => ''));
  process.exitCode = 1;
} finally {
  await context.close();
}
