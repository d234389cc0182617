/** What to do so that exactly the units that shall sleep are frozen. */
export interface ServiceChange {
  readonly freeze: readonly string[];
  readonly thaw: readonly string[];
  readonly problems: readonly string[];
}

/** What the agent, or the way to it, stands on: frozen, nobody could thaw it. */
const neverFrozen = [
  /^wireless-dock-agent(-session)?\.service$/,
  /^dbus(-broker)?\.(service|socket)$/,
  /^systemd-.*\.service$/,
  /^NetworkManager\.service$/,
  /^(-|system|user|init)\.(slice|scope)$/,
];

/** Units of these kinds have a control group of processes. */
const freezable = /^[A-Za-z0-9:_.\\@-]+\.(service|scope|slice)$/;

/** @param frozen units that the agent froze before; what others froze is not ours to thaw. */
export function chooseServices(sleep: readonly string[], frozen: readonly string[]): ServiceChange {
  const problems: string[] = [];
  const wanted = [...new Set(sleep)].filter((unit) => {
    if (!freezable.test(unit))
      problems.push(`"${unit}" is no unit that can be frozen (service, scope or slice)`);
    else if (neverFrozen.some((pattern) => pattern.test(unit)))
      problems.push(`${unit} is needed to wake the others up and is never frozen`);
    else return true;
    return false;
  });
  return { freeze: wanted, thaw: frozen.filter((unit) => !wanted.includes(unit)), problems };
}
