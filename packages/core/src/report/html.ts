import type { Report } from './types.ts';

export function renderHtml(report: Report): string {
  return JSON.stringify(report);
}
