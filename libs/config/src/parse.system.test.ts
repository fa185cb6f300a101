import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';

const lib = JSON.stringify(new URL('index.ts', import.meta.url).href);
const typebox = JSON.stringify(import.meta.resolve('typebox'));

interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** What a program does with these arguments, in a process of its own. */
function run(argv: string[], environment: Record<string, string> = {}): Promise<Ended> {
  const source = `
    import { defineProgram, secret } from ${lib};
    import { Type } from ${typebox};
    const schema = Type.Object({
      port: Type.Integer({ minimum: 0, maximum: 9, default: 3, description: 'A port.' }),
      token: Type.Optional(secret({ description: 'A token.', inArgv: ['-t'] })),
    });
    const settings = defineProgram({ name: 'sample', description: 'A sample.', environmentPrefix: 'SAMPLE', schema }).parse();
    process.stdout.write('port ' + settings.port);`;
  // The first argument stands where the path of a program's file is.
  const argumentsOfNode = ['--input-type=module', '-e', source, '--', 'sample', ...argv];
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      argumentsOfNode,
      { env: environment },
      (_error, stdout, stderr) => resolve({ code: child.exitCode, stdout, stderr }),
    );
  });
}

test('a program runs with what it was given', async () => {
  assert.deepEqual(await run(['--port', '5']), { code: 0, stdout: 'port 5', stderr: '' });
});

test('a bad command line ends with 64 and says what is right, on stderr', async () => {
  const { code, stdout, stderr } = await run(['--port', '10']);
  assert.equal(code, 64);
  assert.equal(stdout, '');
  assert.match(
    stderr,
    /^sample: CONFIG_USAGE: --port must be a whole number from 0 to 9 \(it is 10\)\nsample --help/,
  );
});

test('a bad variable ends with 78', async () => {
  const { code, stderr } = await run([], { POSTERN_SAMPLE_PROT: '1' });
  assert.equal(code, 78);
  assert.match(stderr, /^sample: CONFIG_UNKNOWN_VARIABLE: .*did you mean POSTERN_SAMPLE_PORT\?\n$/);
});

test('help, version and a checked configuration go to stdout and end with 0', async () => {
  for (const flag of ['--help', '--version', '--check-config']) {
    const { code, stdout, stderr } = await run([flag]);
    assert.equal(code, 0);
    assert(stdout.length > 0);
    assert.equal(stderr, '');
  }
});

test('a warning is a line of JSON, without the secret', async () => {
  const { code, stderr } = await run(['-t', 'hush']);
  assert.equal(code, 0);
  assert.equal((JSON.parse(stderr) as { level: string }).level, 'warn');
  assert.doesNotMatch(stderr, /hush/);
});
