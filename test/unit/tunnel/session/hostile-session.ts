import { joinPieces } from '../../../../host-plugins/tunnel/session/frame-reader.ts';
import { DockError } from '../../../../protocol/dock-error.ts';
import { World } from './session-world.ts';

/** A session in the middle of its life, and the bytes that its other end would send it next. */
export function established(): { world: World; next: Uint8Array } {
  const world = new World();
  world.connect();
  const mine = world.a.open('test/mine');
  world.b.open('test/theirs', true);
  world.settle();
  world.b.core.write(mine, new Uint8Array(3_000).fill(7));
  world.b.core.end(mine);
  world.b.open('test/more');
  world.b.core.sayPlaces([{ address: '192.0.2.1', by: 'eth0' }]);
  world.send(0);
  return { world, next: joinPieces(world.links[0]?.ways[1].bytes ?? []) };
}

/** What comes is taken, or refused as a breach of the protocol: nothing else is thrown. */
export function offer(bytes: Uint8Array): 'taken' | 'refused' {
  const { world } = established();
  const link = world.links[0]?.ways[1];
  if (link === undefined) throw new Error('no link');
  try {
    link.reader.push(bytes);
  } catch (error) {
    if (error instanceof DockError && error.kind === 'protocol') return 'refused';
    throw error;
  }
  // what it has to say to that is bounded, too
  world.send(0);
  return 'taken';
}
