import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withAddresses } from './node-address.ts';

const node = { name: 'edge-1', address: 'edge-1.example' };
const at = (address: string) => [{ name: 'edge-1', address }];
const answers =
  (...addresses: string[]) =>
  (): Promise<string[]> =>
    Promise.resolve(addresses);

test('a node with several addresses stays at the one that it has, in whatever order they are told', async () => {
  const first = await withAddresses([node], [], answers('10.0.0.1', '10.0.0.2'));
  assert.deepEqual(first, at('10.0.0.1'));
  assert.deepEqual(await withAddresses([node], first, answers('10.0.0.2', '10.0.0.1')), first);
});

test('a node that moved is found where it is now', async () => {
  assert.deepEqual(await withAddresses([node], at('10.0.0.1'), answers('10.0.0.3')), at('10.0.0.3'));
});

test('a node whose name does not resolve stays where it was, and is left out when it never was anywhere', async () => {
  const fails = () => Promise.reject(new Error('ENOTFOUND'));
  assert.deepEqual(await withAddresses([node], at('10.0.0.1'), fails), at('10.0.0.1'));
  assert.deepEqual(await withAddresses([node], [], fails), []);
});

test('a node that is named by its address is there, and nobody is asked', async () => {
  const asked = () => assert.fail('an address needs no name server');
  assert.deepEqual(await withAddresses(at('fd00::1'), at('10.0.0.1'), asked), at('fd00::1'));
});
