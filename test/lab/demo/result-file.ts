import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { DockError } from '../../../protocol/dock-error.ts';

/** The file of a result that takes minutes to come, opened before anything else so that it is not lost at its end. */
export class ResultFile implements AsyncDisposable {
  readonly path: string;
  readonly #file: FileHandle;

  private constructor(path: string, file: FileHandle) {
    this.path = path;
    this.#file = file;
  }

  /** What the file holds stays until `write`. @throws DockError `usage` where nothing can be written there */
  static async open(path: string): Promise<ResultFile> {
    const { O_WRONLY, O_CREAT, O_NONBLOCK } = constants;
    try {
      // A pipe that nobody reads would otherwise be waited for, and hear no signal.
      return new ResultFile(path, await open(path, O_WRONLY | O_CREAT | O_NONBLOCK, 0o666));
    } catch (error) {
      const { message } = error as Error;
      throw new DockError('usage', `the result cannot be written to ${path}: ${message}`, { cause: error });
    }
  }

  async write(result: object): Promise<void> {
    try {
      if ((await this.#file.stat()).isFile()) await this.#file.truncate(0);
      await this.#file.writeFile(`${JSON.stringify(result)}\n`);
    } catch (error) {
      const { message } = error as Error;
      throw new DockError('io', `the result was not written to ${this.path}: ${message}`, { cause: error });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
  }
}
