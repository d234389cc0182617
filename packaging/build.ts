// Makes both Debian packages in dist/: npm run package
//
//   node packaging/build.ts [--quick] [folder]     --quick: larger files, in a tenth of the time
import { buildAgentPackage } from './agent/build.ts';
import { buildHostPackage } from './host/build.ts';

const args = process.argv.slice(2);
const folder = args.find((argument) => !argument.startsWith('--'));
const compression = args.includes('--quick') ? 'quick' : 'small';
for (const build of [buildAgentPackage, buildHostPackage]) {
  const { path } = await build(folder, compression);
  process.stdout.write(`${path}\n`);
}
