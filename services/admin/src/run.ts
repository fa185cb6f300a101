/** `postern-admin`, once its code is loaded. */
import { runService } from '@postern/program';
import { program } from './config.ts';
import { patientBus } from './patient-bus.ts';
import { createAdmin } from './service.ts';

await runService('admin', program, ({ settings: options, logger, metrics, version }) => {
  return ({ bus, store }) => createAdmin({ bus: patientBus(bus), store, options, logger, metrics, version });
});
