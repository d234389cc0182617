/** The value of one option; `true` and `false` are QEMU's `on` and `off`, what is undefined is left out. */
type OptionValue = string | number | boolean | undefined;

/**
 * One value of a QEMU option: `virtio-rng-pci,id=rng0,addr=0x8`. A comma in a value is doubled, as all of
 * QEMU's option parsers want it.
 */
export function qemuOption(head: string, properties: Readonly<Record<string, OptionValue>> = {}): string {
  const parts = [head];
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined) continue;
    const text = typeof value === 'boolean' ? (value ? 'on' : 'off') : String(value);
    parts.push(`${key}=${text.replaceAll(',', ',,')}`);
  }
  return parts.filter((part) => part !== '').join(',');
}
