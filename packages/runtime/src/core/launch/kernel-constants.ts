// Constants of the kernel's interface that launcher programs use. Values are the same on x86-64 and arm64 unless said otherwise.

export const AT_FDCWD = -100;
export const AT_RECURSIVE = 0x8000;
export const O_RDONLY = 0;
export const O_WRONLY = 1;
export const O_RDWR = 2;
export const O_CREAT = 0o100;
export const O_TRUNC = 0o1000;
export const O_NOCTTY = 0o400;
export const O_CLOEXEC = 0o2000000;
export const O_PATH = 0o10000000;
export const S_IFIFO = 0o010000;
export const S_IFCHR = 0o020000;
export const S_IFBLK = 0o060000;
export const F_SETFD = 2;
export const FD_CLOEXEC = 1;
export const CLOSE_RANGE_CLOEXEC = 4;

export const SIGKILL = 9;
export const SIGPIPE = 13;
export const SIGCHLD = 17;

export const CLONE_FILES = 0x400;
export const CLONE_NEWNS = 0x20000;
export const CLONE_NEWCGROUP = 0x02000000;
export const CLONE_NEWUTS = 0x04000000;
export const CLONE_NEWIPC = 0x08000000;
export const CLONE_NEWPID = 0x20000000;
export const CLONE_NEWNET = 0x40000000;

export const MS_RDONLY = 1;
export const MS_NOSUID = 2;
export const MS_NODEV = 4;
export const MS_NOEXEC = 8;
export const MS_REMOUNT = 32;
export const MS_BIND = 4096;
export const MS_REC = 16384;
export const MS_PRIVATE = 1 << 18;
export const MS_SLAVE = 1 << 19;
export const MS_SHARED = 1 << 20;
export const MS_RELATIME = 1 << 21;
export const MS_STRICTATIME = 1 << 24;
export const MNT_DETACH = 2;

export const OPEN_TREE_CLONE = 1;
export const OPEN_TREE_CLOEXEC = O_CLOEXEC;
export const MOVE_MOUNT_F_EMPTY_PATH = 4;
export const MOVE_MOUNT_T_SYMLINKS = 0x10;
export const AT_EMPTY_PATH = 0x1000;
export const MOUNT_ATTR_RDONLY = 1;

export const PR_SET_PDEATHSIG = 1;
export const PR_SET_KEEPCAPS = 8;
export const PR_SET_NAME = 15;
export const PR_SET_SECCOMP = 22;
export const PR_CAPBSET_DROP = 24;
export const PR_SET_NO_NEW_PRIVS = 38;
export const PR_CAP_AMBIENT = 47;
export const PR_CAP_AMBIENT_RAISE = 2;
export const PR_CAP_AMBIENT_CLEAR_ALL = 4;
export const SECCOMP_MODE_FILTER = 2;
export const CAPABILITY_VERSION_3 = 0x20080522;

export const TIOCSCTTY = 0x540e;
export const TIOCSWINSZ = 0x5414;
export const TIOCSPTLCK = 0x40045431;
export const TIOCGPTPEER = 0x5441;
export const FIONREAD = 0x541b;

export const CLOCK_REALTIME = 0;
export const WAIT_ALL_CHILDREN = 0x40000000;

export const AF_INET = 2;
export const AF_NETLINK = 16;
export const SOCK_STREAM = 1;
export const SOCK_RAW = 3;
export const SOCK_CLOEXEC = O_CLOEXEC;
export const NETLINK_ROUTE = 0;
export const SHUT_WR = 1;

/** errno names by number, for messages; the texts are those of the C library. */
const errorTexts: Readonly<Record<number, string>> = {
  1: "operation not permitted",
  2: "no such file or directory",
  3: "no such process",
  5: "input/output error",
  7: "argument list too long",
  8: "exec format error",
  9: "bad file descriptor",
  11: "resource temporarily unavailable",
  12: "cannot allocate memory",
  13: "permission denied",
  16: "device or resource busy",
  17: "file exists",
  19: "no such device",
  20: "not a directory",
  21: "is a directory",
  22: "invalid argument",
  23: "too many open files in system",
  24: "too many open files",
  26: "text file busy",
  28: "no space left on device",
  30: "read-only file system",
  36: "file name too long",
  38: "function not implemented",
  40: "too many levels of symbolic links",
  95: "operation not supported",
  98: "address already in use",
  99: "cannot assign requested address",
  101: "network is unreachable",
  110: "connection timed out",
  111: "connection refused",
  113: "no route to host",
};

/** Text of a positive error number. */
export function formatErrno(errno: number): string {
  return errorTexts[errno] ?? `errno ${errno}`;
}
export const FSOPEN_CLOEXEC = 1;
export const FSMOUNT_CLOEXEC = 1;
export const FSCONFIG_CMD_CREATE = 6;
