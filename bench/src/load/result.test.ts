import assert from 'node:assert/strict';
import test from 'node:test';
import { parseReport } from './bulk.ts';
import { parseSummary } from './http.ts';
import { parseTimes } from './handshakes.ts';

test('counts what iperf3 saw arrive, in bytes', () => {
  const end = {
    sum_sent: { bytes: 99, bits_per_second: 99 },
    sum_received: { bytes: 1000, bits_per_second: 8000 },
  };
  assert.deepEqual(parseReport(JSON.stringify({ end })), { bytes: 1000, bytesPerSecond: 1000 });
});

test('an error of iperf3 is thrown with its text', () => {
  assert.throws(
    () => parseReport(JSON.stringify({ error: 'unable to connect' })),
    /iperf3: unable to connect/,
  );
});

test('finds the summary among what wrk prints', () => {
  const text =
    'Running 1s test\n  1 threads\n\nsummary {"requests":500,"durationUs":2000000,"p50Us":1500,"p99Us":9000,"errors":2}\n';
  assert.deepEqual(parseSummary(text), {
    requests: 500,
    requestsPerSecond: 250,
    p50Ms: 1.5,
    p99Ms: 9,
    errors: 2,
  });
});

test('a run of wrk without a single answer is a failure', () => {
  const text = 'summary {"requests":0,"durationUs":2000000,"p50Us":0,"p99Us":0,"errors":64}\n';
  assert.throws(() => parseSummary(text), /no answer and 64 errors/);
});

test('counts the connections that openssl s_time made, over the time that passed', () => {
  const text =
    'Collecting connection statistics for 3 seconds\ntttt\n\n1240 connections in 0.53s; 2339.62 connections/user sec, bytes read 6408320\n1240 connections in 4 real seconds, 5168 bytes read per connection\n';
  assert.deepEqual(parseTimes(text), { connections: 1240, seconds: 4 });
});

test('a run of openssl s_time without a connection is a failure', () => {
  assert.throws(() => parseTimes('ERROR\n0 connections in 3 real seconds, 0 bytes'), /no connection/);
});
