const vocabularyWords = 2048;

/** Text that compresses about as well as text does: words of a made-up language, the short ones more often. */
export class Words {
  #state: number;
  readonly #vocabulary: readonly string[];

  /** @param seed not 0; the same words from the same seed */
  constructor(seed: number) {
    this.#state = seed;
    this.#vocabulary = Array.from({ length: vocabularyWords }, (_, rank) => this.#word(2 + (rank % 11)));
  }

  /** A whole number from 0 to `limit - 1`. */
  below(limit: number): number {
    return this.#next() % limit;
  }

  /** @returns exactly so many characters, all of them ASCII */
  text(length: number): string {
    let text = '';
    while (text.length < length) {
      // The product of two chances prefers the first words, as Zipf's law does.
      const rank = Math.floor((this.below(vocabularyWords) * this.below(vocabularyWords)) / vocabularyWords);
      text += `${this.#vocabulary[rank]} `;
    }
    return text.slice(0, length);
  }

  #word(length: number): string {
    return Array.from({ length }, () => String.fromCharCode(97 + this.below(26))).join('');
  }

  /** xorshift32 (Marsaglia 2003). */
  #next(): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return this.#state >>> 0;
  }
}
