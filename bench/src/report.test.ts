import assert from 'node:assert/strict';
import test from 'node:test';
import type { Measured } from './figure.ts';
import { goals, judge } from './goal.ts';
import { markdown } from './markdown.ts';
import { plot } from './plot.ts';
import type { Report } from './report.ts';
import { bestOfOthers, summarize } from './summary.ts';

function reportOf(measured: Record<string, readonly Measured[]>): Report {
  return {
    startedAt: '2026-01-01T00:00:00.000Z',
    machine: {
      cores: 2,
      processor: 'P',
      memoryGiB: 8,
      system: 'Linux',
      congestionControl: 'cubic',
      node: 'v26',
    },
    effort: {
      seconds: 5,
      warmUpSeconds: 1,
      streams: 10,
      tunnels: 2,
      manyStreams: 10,
      manyTunnels: 2,
      roundTripMs: 50,
      restMs: 0,
    },
    rounds: 3,
    peers: Object.fromEntries(Object.keys(measured).map((peer) => [peer, peer === 'direct' ? null : 'TLS'])),
    entries: Object.entries(measured).flatMap(([peer, rounds]) =>
      rounds.map((figures, index) => ({
        round: index + 1,
        group: 'bytes' as const,
        peer,
        figures,
        othersCores: 0.3,
        noisy: true,
        error: null,
      })),
    ),
  };
}

const example = reportOf({
  direct: [{ 'bytes-1-up': 3000 }],
  haproxy: [{ 'bytes-1-up': 500, 'cpu-1-up': 2, 'requests-p99': 20 }],
  ssh: [{ 'bytes-1-up': 900, 'requests-p99': 10 }],
  postern: [
    { 'bytes-1-up': 600, 'cpu-1-up': 3, 'requests-p99': 4 },
    { 'bytes-1-up': 500, 'cpu-1-up': 3, 'requests-p99': 5 },
    { 'bytes-1-up': 700, 'cpu-1-up': 3, 'requests-p99': 6 },
  ],
});

test('a cell is the median over the rounds with its range', () => {
  const cell = summarize(example).get('bytes-1-up')?.get('postern');
  assert.deepEqual(cell, { median: 600, least: 500, most: 700, rounds: 3 });
});

test('the best of the others is encrypted and not Postern', () => {
  const summary = summarize(example);
  assert.equal(bestOfOthers(summary, 'bytes-1-up', example.peers), 900);
  assert.equal(bestOfOthers(summary, 'requests-p99', example.peers), 10);
});

test('a goal is met when the ratio is on the better side of its bound', () => {
  const verdicts = judge(summarize(example), example.peers);
  const met = Object.fromEntries(verdicts.map(({ figure, met }) => [figure, met]));
  assert.deepEqual(met, { 'bytes-1-up': true, 'cpu-1-up': false, 'requests-p99': true });
});

test('a goal whose other side was not measured is neither met nor missed', () => {
  const alone = reportOf({ postern: [{ 'bytes-1-up': 600 }] });
  assert.deepEqual(
    judge(summarize(alone), alone.peers).map(({ met }) => met),
    [undefined],
  );
});

test('what a variant costs is asked where both were measured, and no variant is one of the others', () => {
  const report = reportOf({
    haproxy: [{ 'bytes-1-up': 500 }],
    postern: [{ 'bytes-1-up': 600, 'requests-cpu': 100, 'cpu-1-up': 3 }],
    'postern-traced': [{ 'bytes-1-up': 1000, 'requests-cpu': 106 }],
  });
  const summary = summarize(report);
  const verdicts = judge(summary, report.peers).filter(({ of }) => of === 'postern-traced');
  const met = Object.fromEntries(verdicts.map(({ figure, met }) => [figure, met]));
  assert.deepEqual(met, { 'bytes-1-up': true, 'requests-cpu': false });
  assert.equal(bestOfOthers(summary, 'bytes-1-up', report.peers), 500);
});

test('a figure has at most one goal against the same other', () => {
  const rows = goals.map(({ figure, of, against }) => `${figure} ${of} ${JSON.stringify(against)}`);
  assert.equal(new Set(rows).size, goals.length);
});

test('the Markdown has a row for each goal and each peer, and tells the noise', () => {
  const text = markdown(example);
  assert.match(text, /\| bytes: 1 up, MB\/s \| 600 \| haproxy: 500 \| 1\.20 \| ≥ 1 \| yes \|/);
  assert.match(
    text,
    /\| bytes: CPU, 1 up, s\/GB \| 3\.00 \| haproxy: 2\.00 \| 1\.50 \| ≤ 1 \| \*\*no\*\* \|/,
  );
  assert.match(text, /\| postern \| 600 \[500\.\.700\] \*\*0\.67\*\* \|/);
  assert.match(text, /\| \*\*postern\*\* \| TLS \| 0\.30 \| 3 of 3 \| none \|/);
});

test('the plot is an SVG that names the peers', () => {
  const svg = plot(example);
  assert.match(svg, /^<svg /);
  assert.match(svg, />postern</);
});
