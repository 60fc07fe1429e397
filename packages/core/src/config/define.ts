import type { UserConfig, UserConfigFn } from './types.ts';

/** Types a config file; returns its argument. */
export function defineConfig(config: UserConfig): UserConfig;
export function defineConfig(config: Promise<UserConfig>): Promise<UserConfig>;
export function defineConfig(config: UserConfigFn): UserConfigFn;
export function defineConfig(
  config: UserConfig | Promise<UserConfig> | UserConfigFn,
): UserConfig | Promise<UserConfig> | UserConfigFn {
  return config;
}
