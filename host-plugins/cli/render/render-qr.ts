import encodeQR from 'qr';

/** Light modules around the code that a reader needs (ISO/IEC 18004, 9.1). */
const quietZone = 4;

/** Two modules a character, black on white whatever the terminal's colours are. Columns: its modules and a margin. */
export function renderQr(text: string): { lines: string[]; columns: number } {
  const modules = encodeQR(text, 'raw', { ecc: 'low', border: quietZone });
  const lines: string[] = [];
  for (let row = 0; row < modules.length; row += 2) {
    const upper = modules[row] ?? [];
    const lower = modules[row + 1] ?? [];
    const cells = upper.map((dark, column) => {
      const below = lower[column] === true;
      if (dark) return below ? '█' : '▀';
      return below ? '▄' : ' ';
    });
    lines.push(`\u001b[38;5;16;48;5;231m${cells.join('')}\u001b[0m`);
  }
  return { lines, columns: modules[0]?.length ?? 0 };
}
