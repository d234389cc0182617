// Makes the Debian packages: npm run package
import { parseArgs } from 'node:util';
import { DockError } from '../protocol/dock-error.ts';
import { buildAgentPackage } from './agent/build.ts';
import { buildHostPackage } from './host/build.ts';

const usage = `usage: npm run package -- [--agent] [--quick] [folder]

Makes both Debian packages in the folder, by default dist/, and says where they are.

  --agent   only that of the guest's agent, as \`npm run package:agent\` does
  --quick   larger files, in a tenth of the time
  --help    show this
`;

try {
  await main(process.argv.slice(2));
} catch (error) {
  const { kind, message } = DockError.from(error);
  process.stderr.write(`${message}\n`);
  process.exitCode = kind === 'usage' ? 2 : 1;
}

async function main(args: readonly string[]): Promise<void> {
  const { values, positionals } = parse(args);
  if (values.help === true) {
    process.stdout.write(usage);
    return;
  }
  const compression = values.quick === true ? 'quick' : 'small';
  const builds = values.agent === true ? [buildAgentPackage] : [buildAgentPackage, buildHostPackage];
  for (const build of builds) {
    const { path } = await build(positionals[0], compression);
    process.stdout.write(`${path}\n`);
  }
}

/** Throws `usage` for anything that it does not know. */
function parse(args: readonly string[]) {
  const flag = { type: 'boolean' } as const;
  const options = { agent: flag, quick: flag, help: flag };
  try {
    const parsed = parseArgs({ args: [...args], options, allowPositionals: true });
    if (parsed.positionals.length > 1) throw new Error('packages are made in one folder');
    return parsed;
  } catch (error) {
    throw new DockError('usage', `${(error as Error).message}\n\n${usage}`);
  }
}
