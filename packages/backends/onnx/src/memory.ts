import { readFileSync } from 'node:fs';

/**
 * Peak resident memory of this process in bytes. On Linux from the memory map itself: `getrusage` also counts what the
 * parent had in memory when it forked.
 */
export function peakRssBytes(): number {
  try {
    const kib = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
    if (kib !== undefined) return Number(kib) * 1024;
  } catch {
    // No /proc: the other way.
  }
  return process.resourceUsage().maxRSS * 1024;
}
