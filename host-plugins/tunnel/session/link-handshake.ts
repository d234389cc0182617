import { request as httpRequest, type IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { DockError, type DockErrorKind } from '../../../protocol/dock-error.ts';
import { DockErrorShape } from '../../../protocol/dock-error-shape.ts';

export const linkProtocol = 'wdock-link';
const path = '/link';
/** Nothing has to be waited for over there, ms. */
const answerMs = 5_000;
const maxRefusalBytes = 16 * 1024;
const hex = /^[0-9a-f]{32,64}$/;

/** Of HTTP headers, which are inside TLS as everything. */
const headers = { life: 'wdock-life', session: 'wdock-session', secret: 'wdock-secret' } as const;

/** What the dialling end asks for: a new session, or to join one. */
export interface LinkRequest {
  /** Of this wdockd: another one after it was started anew. */
  readonly life: string;
  readonly join?: { readonly id: string; readonly secret: string };
}

export interface LinkAnswer {
  readonly life: string;
  readonly id: string;
  readonly secret: string;
}

export interface UpgradedLink extends LinkAnswer {
  readonly socket: TLSSocket;
  /** What came after the answer. */
  readonly head: Buffer;
}

/**
 * Makes the connection a link. Throws what the other end says (`peer-refused`, with its kind in the detail), or
 * `peer-gone`; then the connection is closed.
 */
export async function askForLink(
  socket: TLSSocket,
  request: LinkRequest,
  peerName: string,
  signal: AbortSignal,
): Promise<UpgradedLink> {
  const { promise, resolve, reject } = Promise.withResolvers<UpgradedLink>();
  const { life, join } = request;
  const asking = httpRequest({
    createConnection: () => socket,
    path,
    headers: {
      Host: 'wdockd',
      Connection: 'Upgrade',
      Upgrade: linkProtocol,
      [headers.life]: life,
      ...(join === undefined ? {} : { [headers.session]: join.id, [headers.secret]: join.secret }),
    },
    signal: AbortSignal.any([signal, AbortSignal.timeout(answerMs)]),
  });
  asking.once('upgrade', (response, _socket, head) => {
    const answer = readHeaders(response);
    const { id = join?.id, secret = join?.secret } = answer;
    if (answer.life !== undefined && id !== undefined && secret !== undefined) {
      resolve({ socket, head, life: answer.life, id, secret });
    } else reject(new DockError('protocol', `"${peerName}" does not say which session this is`));
  });
  asking.once('response', (response) => {
    readRefusal(response, peerName).then(reject, reject);
  });
  asking.once('error', (error) => {
    const kind = signal.aborted ? 'cancelled' : 'peer-gone';
    reject(new DockError(kind, `"${peerName}" gave no link: ${error.message}`, { cause: error }));
  });
  asking.end();
  try {
    return await promise;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/** Throws `usage` for what no wdockd asks. */
export function readLinkRequest(request: IncomingMessage): LinkRequest {
  const { life, id, secret } = readHeaders(request);
  if (request.url !== path || life === undefined || (id === undefined) !== (secret === undefined)) {
    throw new DockError('usage', 'this is no request for a link');
  }
  return { life, ...(id === undefined || secret === undefined ? {} : { join: { id, secret } }) };
}

/** `answer` has the session's name and secret where they are new. */
export function grantLink(socket: TLSSocket, answer: { life: string; id?: string; secret?: string }): void {
  const more =
    answer.id === undefined
      ? ''
      : `${headers.session}: ${answer.id}\r\n${headers.secret}: ${answer.secret}\r\n`;
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${linkProtocol}\r\n${headers.life}: ${answer.life}\r\n${more}\r\n`,
  );
}

const refusalStatus: Partial<Record<DockErrorKind, string>> = {
  usage: '400 Bad Request',
  'not-found': '404 Not Found',
  internal: '500 Internal Server Error',
};

export function refuseLink(socket: TLSSocket, error: DockError): void {
  const body = JSON.stringify(error.toData());
  const status = refusalStatus[error.kind] ?? '403 Forbidden';
  const head = `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}`;
  socket.end(`${head}\r\n\r\n${body}`, () => socket.destroySoon());
}

function readHeaders(message: IncomingMessage): { life?: string; id?: string; secret?: string } {
  const read = (name: string): string | undefined => {
    const value = message.headers[name];
    return typeof value === 'string' && hex.test(value) ? value : undefined;
  };
  const [life, id, secret] = [read(headers.life), read(headers.session), read(headers.secret)];
  return {
    ...(life === undefined ? {} : { life }),
    ...(id === undefined ? {} : { id }),
    ...(secret === undefined ? {} : { secret }),
  };
}

async function readRefusal(response: IncomingMessage, peerName: string): Promise<DockError> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response) {
    length += (chunk as Buffer).length;
    if (length > maxRefusalBytes) break;
    chunks.push(chunk as Buffer);
  }
  const said = DockErrorShape.safeParse(parseJson(Buffer.concat(chunks).toString()));
  if (!said.success) {
    return new DockError(
      'protocol',
      `"${peerName}" answers with HTTP status ${response.statusCode}; is it a wdockd?`,
    );
  }
  const { kind, message, detail } = said.data;
  return new DockError('peer-refused', `"${peerName}" refused a link: ${message}`, {
    detail: { ...detail, kind },
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
