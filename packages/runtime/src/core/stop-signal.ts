// Signals by name, number and the Container Runtime Interface's own enumeration.

const numbers: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGILL: 4,
  SIGTRAP: 5,
  SIGABRT: 6,
  SIGIOT: 6,
  SIGBUS: 7,
  SIGFPE: 8,
  SIGKILL: 9,
  SIGUSR1: 10,
  SIGSEGV: 11,
  SIGUSR2: 12,
  SIGPIPE: 13,
  SIGALRM: 14,
  SIGTERM: 15,
  SIGSTKFLT: 16,
  SIGCHLD: 17,
  SIGCLD: 17,
  SIGCONT: 18,
  SIGSTOP: 19,
  SIGTSTP: 20,
  SIGTTIN: 21,
  SIGTTOU: 22,
  SIGURG: 23,
  SIGXCPU: 24,
  SIGXFSZ: 25,
  SIGVTALRM: 26,
  SIGPROF: 27,
  SIGWINCH: 28,
  SIGIO: 29,
  SIGPOLL: 29,
  SIGPWR: 30,
  SIGSYS: 31,
};

const realTimeFirst = 34;
const realTimeLast = 64;
export const sigterm = 15;
export const sigkill = 9;

/** Parses "SIGQUIT", "quit", "3", "SIGRTMIN+3". Undefined when it is no signal. */
export function parseSignal(text: string): number | undefined {
  if (/^\d+$/.test(text)) {
    const number = Number(text);
    return number >= 1 && number <= realTimeLast ? number : undefined;
  }
  const upper = text.toUpperCase();
  const name = upper.startsWith("SIG") ? upper : `SIG${upper}`;
  const realTime = /^SIGRT(MIN|MAX)(?:([+-])(\d+))?$/.exec(name);
  if (realTime === null) return numbers[name];
  const offset = Number(realTime[3] ?? 0) * (realTime[2] === "-" ? -1 : 1);
  const number = (realTime[1] === "MIN" ? realTimeFirst : realTimeLast) + offset;
  return number >= realTimeFirst && number <= realTimeLast ? number : undefined;
}

/** The number of a CRI Signal's name ("SIGRTMINPLUS3"); undefined for RUNTIME_DEFAULT. */
export function signalFromCRI(name: string): number | undefined {
  return parseSignal(name.replace("PLUS", "+").replace("MINUS", "-"));
}

/** The CRI Signal's name for a number: the first that means it. */
export function signalToCRI(number: number): string {
  const named = Object.entries(numbers).find(([, value]) => value === number)?.[0];
  if (named !== undefined) return named;
  if (number === realTimeFirst) return "SIGRTMIN";
  if (number === realTimeLast) return "SIGRTMAX";
  return number <= 49 ? `SIGRTMINPLUS${number - realTimeFirst}` : `SIGRTMAXMINUS${realTimeLast - number}`;
}
