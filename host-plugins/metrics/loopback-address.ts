/** Where metrics are read: on this machine only. */
export interface LoopbackAddress {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
}

/** `127.0.0.1:9744`, `[::1]:9744`; undefined for anything else, names too: they may lead elsewhere tomorrow. */
export function parseLoopback(text: string): LoopbackAddress | undefined {
  const [, v4, v6, digits] = /^(?:(127(?:\.\d{1,3}){3})|\[(::1)\]):(\d{1,5})$/.exec(text) ?? [];
  const host = v4 ?? v6;
  const port = Number(digits);
  if (host === undefined || port > 65535) return undefined;
  if (host.split('.').some((part) => Number(part) > 255)) return undefined;
  return { host, port };
}
