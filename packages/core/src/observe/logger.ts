/** From chatty to serious. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** One line of a log. */
export interface LogEntry {
  /** How serious it is. */
  readonly level: LogLevel;
  /** One line, without a full stop. */
  readonly message: string;
  /** Plugin or part that speaks. */
  readonly tag: string | undefined;
}

/** Where log lines go. Info and debug start lower case, warnings and errors upper case, none ends with a full stop. */
export interface Logger {
  /** For whoever looks for a fault. */
  debug(message: string): void;
  /** What is being done. */
  info(message: string): void;
  /** Works, but probably not as meant. */
  warn(message: string): void;
  /** What failed. */
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
