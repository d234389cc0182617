/** Keep this free of imports: it has to run, and to speak, on a Node that can run nothing else of this project. */
export const leastNodeMajor = 24;

/** What to tell the user of a Node that is too old; undefined when it is good. */
export function nodeVersionProblem(nodeVersion: string): string | undefined {
  const major = Number(/^v?(\d+)\./.exec(nodeVersion)?.[1] ?? 0);
  if (major >= leastNodeMajor) return undefined;
  return `this needs Node ${leastNodeMajor} or later, and runs on ${nodeVersion}; in a work tree \`npm ci\` brings it, and npm scripts use it`;
}
