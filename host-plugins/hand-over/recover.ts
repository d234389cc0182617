import { DockError } from '../../protocol/dock-error.ts';
import type { Position } from './position.ts';
import { type State, type Step, send, stay, type VmState } from './state.ts';
import { withdraw } from './step-source.ts';
import { running } from './step-target.ts';
import { awake } from './step-waking.ts';

/**
 * Where to go on after a restart, from the journal's position and the QEMU that is found, and nothing else.
 * Throws `conflict` where the two contradict each other, which none of our own steps brings about: somebody else
 * handled this QEMU or the journal, and a person has to look.
 */
export function recover(position: Position, vm: VmState): Step {
  const contradiction = (): never => {
    throw new DockError(
      'conflict',
      `the journal says "${position.at}", but a QEMU of this workspace is "${vm}"; end the copy that must not run, then restart wdockd`,
      { detail: { position: position.at, vm } },
    );
  };
  switch (position.at) {
    case 'away':
    case 'lost':
      return stay({ position } as State, ...(vm === 'gone' ? [] : [{ do: 'quit' } as const]));
    case 'accepting': {
      const state = { position } as const;
      if (vm === 'paused') return stay({ ...state, loaded: true });
      if (vm === 'running' || vm === 'stopping' || vm === 'postmigrate') return contradiction();
      const reason = 'wdockd was restarted while the state was on its way';
      const { epoch, peer, granted } = position;
      const away: Position = { at: 'away', granted, voided: epoch, peer };
      return {
        state: { position: away },
        effects: [
          { do: 'commit', position: away, why: `void of epoch ${epoch}: ${reason}` },
          { do: 'quit' },
          ...send(peer, { say: 'void', epoch, reason }),
        ],
      };
    }
    case 'starting':
      if (vm === 'paused') return stay({ position }, { do: 'resume' });
      if (vm === 'running') return running(position, true);
      if (vm !== 'gone') return contradiction();
      return stay({ position, inspecting: true }, { do: 'inspect-disk', epoch: position.epoch });
    case 'owner':
      if (vm === 'gone') return stay({ position }, { do: 'power-cut' });
      // An owner's `inmigrate` is a start from a saved state, which goes on by itself. One that runs is resumed, too:
      // an image may be written of it, which nobody wants any more, and would stop it.
      return stay({ position }, ...(vm === 'inmigrate' ? [] : [{ do: 'resume' } as const]));
    case 'offering':
      return withdraw(
        { position, ...(vm === 'gone' ? { gone: true as const } : {}) },
        'wdockd was restarted before the VM was released',
      );
    case 'released':
      if (vm !== 'gone' && (vm !== 'postmigrate' || position.image !== undefined)) return contradiction();
      return stay({ position, kept: vm === 'postmigrate' });
    case 'suspended':
      // It was not ended yet, or was being loaded: the image has all of it.
      return stay({ position }, ...(vm === 'gone' ? [] : [{ do: 'quit' } as const]));
    case 'waking':
      if (vm === 'paused') return stay({ position }, { do: 'resume' });
      if (vm === 'running') return awake(position, true);
      if (vm !== 'gone') return contradiction();
      return stay({ position, inspecting: true }, { do: 'inspect-disk', epoch: position.epoch });
  }
}
