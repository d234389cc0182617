/** Aligned columns, two blanks between them; the last one is not padded. Cells may have any printable text. */
export function renderTable(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = headings.length > 0 ? [headings, ...rows] : rows;
  const widths = all.reduce<number[]>((known, row) => {
    row.forEach((cell, at) => {
      known[at] = Math.max(known[at] ?? 0, cell.length);
    });
    return known;
  }, []);
  return all
    .map((row) =>
      row
        .map((cell, at) => cell.padEnd(widths[at] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** `Name:  value` lines. */
export function renderFields(fields: readonly (readonly [name: string, value: string])[]): string {
  return renderTable(
    [],
    fields.map(([name, value]) => [`${name}:`, value]),
  );
}
