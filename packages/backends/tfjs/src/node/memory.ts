import { readFileSync } from 'node:fs';
import type { MemoryReader } from '../backend.ts';

/** The worker is a thread: its memory is the process's. */
export const memory: MemoryReader = () => ({ rssBytes: process.memoryUsage.rss(), peakRssBytes: peakRssBytes() });

/** On Linux from the memory map itself: `getrusage` also counts what the parent had in memory when it forked. */
function peakRssBytes(): number {
  try {
    const kib = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
    if (kib !== undefined) return Number(kib) * 1024;
  } catch {
    // No /proc: the other way.
  }
  return process.resourceUsage().maxRSS * 1024;
}
