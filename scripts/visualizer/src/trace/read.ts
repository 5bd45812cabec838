// The text of a trace file, also of one that was packed by gzip.

import { BadTrace } from "./load";

export const MOST_BYTES = 128 * 1024 * 1024;

export async function textOf(file: Blob, name: string): Promise<string> {
  const start = new Uint8Array(await file.slice(0, 2).arrayBuffer());
  const isPacked = start[0] === 0x1f && start[1] === 0x8b;
  const stream = isPacked ? file.stream().pipeThrough(new DecompressionStream("gzip")) : file.stream();
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  const parts: string[] = [];
  let bytes = 0;
  try {
    for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
      bytes += chunk.value.length;
      if (bytes > MOST_BYTES) {
        await reader.cancel();
        throw new BadTrace(`${name} holds more than ${MOST_BYTES / 1024 / 1024} MB. Record less of the run, or fewer events of each thread.`);
      }
      parts.push(decoder.decode(chunk.value, { stream: true }));
    }
  } catch (error) {
    if (error instanceof BadTrace) throw error;
    // A packed file that was cut off: what came out of it is still good.
    if (parts.length === 0) throw new BadTrace(`${name} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
  return parts.join("") + decoder.decode();
}
