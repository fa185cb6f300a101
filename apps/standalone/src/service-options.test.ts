import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { program, platformSettingsOf as settings } from './config.ts';
import { certstoreOptionsOf, connectUrlOf, edgeOptionsOf, routerOptionsOf } from './service-options.ts';

const ports = { connect: 8443, http: 8080, tunnel: 9000, admin: 0 };

describe('what services are told', () => {
  it('sends clients to the address that is listened on while the platform has no name of its own', () => {
    assert.equal(connectUrlOf(settings({}), 8443), 'https://127.0.0.1:8443');
    assert.equal(connectUrlOf(settings({ listenHost: '0.0.0.0' }), 443), 'https://127.0.0.1');
    assert.equal(connectUrlOf(settings({ listenHost: '::1' }), 8443), 'https://[::1]:8443');
    assert.equal(connectUrlOf(settings({ platformHost: 'gw.example.com' }), 443), 'https://gw.example.com');
    assert.equal(edgeOptionsOf(settings({ listenHost: '127.0.0.7' }), ports).advertiseHost, '127.0.0.7');
  });

  it('takes settings as the command line gives them, frozen with their lists', () => {
    const given = Object.freeze({ cloudDenied: Object.freeze(['10.0.0.0/8']) as unknown as string[] });
    assert.deepEqual(edgeOptionsOf(settings(given), ports).cloudDenied, ['10.0.0.0/8']);
  });

  it('keeps the platform’s own ports from fronts', () => {
    const reserved = [80, 443, 9000, 8443, 8080, 7444];
    const given = settings({ adminPort: 7444 });
    assert.deepEqual(routerOptionsOf(given, ports).reservedPorts, reserved);
  });

  it('is not begun with ports for fronts of which the last is below the first', () => {
    const ports = ['--state', 'state', '--front-port-first', '17000'];
    const message = 'frontPortLast, 16999, is below frontPortFirst, 17000';
    assert.throws(() => program.resolve(ports, {}), { code: 'CONFIG_INVALID', message });
    assert.equal(program.resolve([...ports, '--front-port-last', '17000'], {}).kind, 'run');
  });

  it('is not begun with a host that no certificate can be for, of which the platform would wait for ever', () => {
    const start = (flag: string, host: string) => program.resolve(['--state', 's', `${flag}=${host}`], {});
    for (const flag of ['--platform-host', '--front-host', '--advertise-host', '--certificate-names']) {
      for (const host of [
        'https://gw.corp',
        'gw.corp:8443',
        'gw.corp.',
        'a b',
        'bücher.example',
        'a..b',
        '-x',
      ])
        assert.throws(() => start(flag, host), {
          code: 'CONFIG_USAGE',
          message: /DNS name or an IP address/,
        });
      for (const host of [
        'gw.corp',
        'GW.Corp',
        'node_1',
        '192.0.2.1',
        '::1',
        '2001:db8::7',
        '::ffff:192.0.2.1',
      ])
        assert.equal(start(flag, host).kind, 'run', `${flag} ${host}`);
    }
    assert.equal(start('--certificate-names', '*.corp').kind, 'run');
    assert.equal(start('--advertise-host', '').kind, 'run');
    assert.throws(() => start('--platform-host', '*.corp'), { code: 'CONFIG_USAGE' });
  });

  it('lets the CA sign for the addresses and names that are listened on, and for no wildcard address', () => {
    const { certificateNames, certificateAddresses } = certstoreOptionsOf(
      settings({ listenHost: '0.0.0.0', adminHost: '192.0.2.1', certificateNames: ['admin.corp'] }),
    );
    assert.deepEqual([certificateNames, certificateAddresses], [['admin.corp'], ['192.0.2.1']]);
  });
});
