import type { WorkspaceStatus } from '../../protocol/control-methods.ts';
import { DockError } from '../../protocol/dock-error.ts';
import type { WorkspaceRecord } from '../../protocol/workspace.ts';

/**
 * A workspace whose record or journal is here and cannot be read. What they said may have counted, so nothing is done
 * with it and nothing of it is overwritten, until a person has put its files right and wdockd has read them again.
 */
export class BrokenWorkspace {
  readonly name: string;
  /** What cannot be read, why, and what to do. */
  readonly why: string;
  /** Where only the journal cannot be read. */
  readonly record: WorkspaceRecord | undefined;

  constructor(name: string, why: string, record: WorkspaceRecord | undefined) {
    this.name = name;
    this.why = why;
    this.record = record;
  }

  status(nameOf: (deviceId: string) => string): WorkspaceStatus {
    return {
      name: this.name,
      ...(this.record === undefined ? {} : { homeDevice: nameOf(this.record.homeDevice) }),
      state: 'broken',
      detail: this.why,
    };
  }

  /** The answer to whatever is asked of it. */
  refusal(): DockError {
    return new DockError('conflict', `the workspace "${this.name}" is broken: ${this.why}`);
  }
}
