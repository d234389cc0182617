import { describe, expect, it } from 'vitest';
import { parseAnswers } from '../../../host-plugins/cpu-model/ask-qemu.ts';

const version = { qemu: { major: 10, minor: 0, micro: 2 }, package: 'Debian' };
const machines = [
  { name: 'pc-q35-10.0' },
  { name: 'q35' },
  { name: 'pc-i440fx-10.0' },
  { name: 'pc-q35-9.2' },
];

function output(definitions: readonly object[] | undefined): string {
  const answers: Record<string, unknown> = {
    'query-version': version,
    'query-machines': machines,
    ...(definitions === undefined ? {} : { 'query-cpu-definitions': definitions }),
  };
  return [
    JSON.stringify({ QMP: { version, capabilities: [] } }),
    ...Object.entries(answers).map(([id, value]) => JSON.stringify({ return: value, id })),
    '',
  ].join('\n');
}

describe('the answers of QEMU (KVM’s are written by hand)', () => {
  it('without the models are an error that names the question', () => {
    expect(() => parseAnswers(output(undefined))).toThrow('without answering "query-cpu-definitions"');
    expect(() => parseAnswers(output([{ nom: 'x' }]))).toThrow('is of another shape');
  });

  it('give the models with a version that QEMU has checked, and no name that means another model elsewhere', () => {
    const { missing, machineTypes, qemuVersion } = parseAnswers(
      output([
        { name: 'host', 'unavailable-features': [] },
        { name: 'max', 'unavailable-features': [] },
        { name: 'Haswell', 'unavailable-features': [], 'alias-of': 'Haswell-v1' },
        { name: 'Haswell-v4', 'unavailable-features': ['pcid', 'avx2', 'pcid'] },
        { name: 'Haswell-v1' },
      ]),
    );
    expect([...missing]).toEqual([['Haswell-v4', ['pcid', 'avx2']]]);
    expect(machineTypes).toEqual(['pc-q35-10.0', 'pc-q35-9.2']);
    expect(qemuVersion).toBe('10.0.2');
  });

  it('do not count nested virtualisation, which no guest gets', () => {
    const { missing } = parseAnswers(
      output([
        { name: 'EPYC-v4', 'unavailable-features': ['nrip-save', 'npt', 'svm', 'xsaves'] },
        { name: 'Icelake-Server-v6', 'unavailable-features': ['vmx-ept', 'vmx'] },
      ]),
    );
    expect([...missing]).toEqual([
      ['EPYC-v4', ['xsaves']],
      ['Icelake-Server-v6', []],
    ]);
  });
});
