import type { Socket } from 'node:net';

/** Takes the first line off a connection, on which nothing follows before it is answered, and leaves it paused. */
export async function readFirstLine(socket: Socket): Promise<string> {
  return await new Promise((resolve, reject) => {
    const pieces: Uint8Array[] = [];
    const onData = (piece: Uint8Array) => {
      pieces.push(piece);
      const all = Buffer.concat(pieces);
      const end = all.indexOf('\n');
      if (end < 0) return;
      socket.pause();
      socket.off('data', onData).off('close', onClose);
      resolve(all.toString('utf8', 0, end));
    };
    const onClose = () => reject(new Error('the connection was closed before its first line'));
    socket.on('data', onData).once('close', onClose).once('error', reject);
  });
}
