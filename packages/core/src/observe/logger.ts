export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export interface LogEntry {
  readonly level: LogLevel;
  readonly message: string;
  /** Plugin or part that speaks. */
  readonly tag: string | undefined;
}

/** Where log lines go. Info and debug start lower case, warnings and errors upper case, none ends with a full stop. */
export interface Logger {
  debug(message: string): void;
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
  /** The same logger with a tag. */
  child(tag: string): Logger;
}

/** A logger that hands entries to one function. */
export function createLogger(sink: (entry: LogEntry) => void, tag?: string): Logger {
  const at = (level: LogLevel) => (message: string) => sink({ level, message, tag });
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: (name) => createLogger(sink, name),
  };
}
