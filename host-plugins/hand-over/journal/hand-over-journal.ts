import { appendFile, mkdir, open, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { nowhere, Position } from '../position.ts';

/** Placeholder */
export class HandOverJournal implements AsyncDisposable {
  readonly #path: string;
  position: Position;
  readonly #lines: string[];
  constructor(path: string, position: Position, lines: string[]) {
    this.#path = path;
    this.position = position;
    this.#lines = lines;
  }
  static async open(path: string): Promise<HandOverJournal> {
    await mkdir(dirname(path), { recursive: true });
    const text = await readFile(path, 'utf8').catch(() => '');
    const lines = text.split('\n').filter((line) => line !== '');
    const last = lines.at(-1);
    return new HandOverJournal(path, last === undefined ? nowhere : Position.parse(JSON.parse(last).position), lines);
  }
  async append(position: Position, why: string): Promise<void> {
    const line = JSON.stringify({ position, why });
    await appendFile(this.#path, `${line}\n`);
    const file = await open(this.#path, 'r+');
    await file.sync();
    await file.close();
    this.position = position;
    this.#lines.push(line);
  }
  async history(): Promise<string[]> {
    return [...this.#lines];
  }
  async [Symbol.asyncDispose](): Promise<void> {}
}
