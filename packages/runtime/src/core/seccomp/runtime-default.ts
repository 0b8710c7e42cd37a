// The RuntimeDefault seccomp profile: an allow list, with what further capabilities open up.
// Upstream: containerd contrib/seccomp (the same calls, conditions and capability rules).
import type { SeccompProfile, SeccompRule } from "./bpf.js";

const always = `
accept accept4 access adjtimex alarm bind brk cachestat capget capset chdir chmod chown clock_adjtime clock_getres clock_gettime clock_nanosleep close close_range connect
copy_file_range creat dup dup2 dup3 epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2 execve execveat
exit exit_group faccessat faccessat2 fadvise64 fallocate fanotify_mark fchdir fchmod fchmodat fchmodat2 fchown fchownat fcntl fdatasync fgetxattr flistxattr flock fork
fremovexattr fsetxattr fstat fstatfs fsync ftruncate futex futex_requeue futex_wait futex_waitv futex_wake futimesat getcpu getcwd getdents getdents64 getegid geteuid getgid
getgroups getitimer getpeername getpgid getpgrp getpid getppid getpriority getrandom getresgid getresuid getrlimit get_robust_list getrusage getsid getsockname getsockopt
get_thread_area gettid gettimeofday getuid getxattr getxattrat inotify_add_watch inotify_init inotify_init1 inotify_rm_watch io_cancel ioctl io_destroy io_getevents
io_pgetevents ioprio_get ioprio_set io_setup io_submit kill landlock_add_rule landlock_create_ruleset landlock_restrict_self lchown lgetxattr link linkat listen listmount
listxattr listxattrat llistxattr lremovexattr lseek lsetxattr lstat madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mkdir mkdirat mknod mknodat mlock mlock2
mlockall mmap mprotect mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedsend mq_unlink mremap mseal msgctl msgget msgrcv msgsnd msync munlock munlockall munmap
name_to_handle_at nanosleep newfstatat open openat openat2 pause pidfd_getfd pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc pkey_free pkey_mprotect poll ppoll prctl pread64
preadv preadv2 prlimit64 process_mrelease pselect6 pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv recvfrom recvmmsg recvmsg remap_file_pages removexattr
removexattrat rename renameat renameat2 restart_syscall rmdir rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait
rt_tgsigqueueinfo sched_getaffinity sched_getattr sched_getparam sched_get_priority_max sched_get_priority_min sched_getscheduler sched_rr_get_interval sched_setaffinity
sched_setattr sched_setparam sched_setscheduler sched_yield seccomp select semctl semget semop semtimedop sendfile sendmmsg sendmsg sendto setfsgid setfsuid setgid setgroups
setitimer setpgid setpriority setregid setresgid setresuid setreuid setrlimit set_robust_list setsid setsockopt set_thread_area set_tid_address setuid setxattr setxattrat shmat
shmctl shmdt shmget shutdown sigaltstack signalfd signalfd4 socketpair splice stat statfs statmount statx symlink symlinkat sync sync_file_range syncfs sysinfo tee tgkill time
timer_create timer_delete timerfd_create timerfd_gettime timerfd_settime timer_getoverrun timer_gettime timer_settime times tkill truncate umask uname unlink unlinkat utime
utimensat utimes vfork vmsplice wait4 waitid write writev`;

const byArchitecture = { x64: "arch_prctl modify_ldt", arm64: "" } as const;

const byCapability: Readonly<Record<string, string>> = {
  DAC_READ_SEARCH: "open_by_handle_at",
  SYS_ADMIN:
    "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie mount mount_setattr move_mount open_tree perf_event_open quotactl quotactl_fd setdomainname sethostname setns syslog umount umount2 unshare",
  SYS_BOOT: "reboot",
  SYS_CHROOT: "chroot",
  SYS_MODULE: "delete_module init_module finit_module",
  SYS_PACCT: "acct",
  SYS_PTRACE: "kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace",
  SYS_RAWIO: "iopl ioperm",
  SYS_TIME: "settimeofday stime clock_settime",
  SYS_TTY_CONFIG: "vhangup",
  SYS_NICE: "get_mempolicy mbind set_mempolicy set_mempolicy_home_node",
  SYSLOG: "syslog",
  BPF: "bpf",
  PERFMON: "perf_event_open",
};

const cloneNamespaceFlags = 0x7e020000;
const vsockFamily = 40;
const personalities = [0x0, 0x0008, 0x20000, 0x20008, 0xffffffff];
const enosys = 38;

/** The profile for a process with these capabilities (names without CAP_). */
export function runtimeDefaultProfile(architecture: "x64" | "arm64", capabilities: ReadonlySet<string>): SeccompProfile {
  const allow = (names: string): SeccompRule => ({ names: names.split(/\s+/).filter((name) => name !== ""), action: "SCMP_ACT_ALLOW" });
  const rules: SeccompRule[] = [
    ...personalities.map(
      (value): SeccompRule => ({ names: ["personality"], action: "SCMP_ACT_ALLOW", args: [{ index: 0, value, op: "SCMP_CMP_EQ" }] }),
    ),
    // Virtual machine sockets are not bound to a network namespace.
    { names: ["socket"], action: "SCMP_ACT_ALLOW", args: [{ index: 0, value: vsockFamily, op: "SCMP_CMP_NE" }] },
    allow(always),
    // The kernel is new enough (5.8) that tracing own children is no way around the filter.
    allow("process_vm_readv process_vm_writev ptrace"),
    allow(byArchitecture[architecture]),
  ];
  for (const [capability, names] of Object.entries(byCapability)) if (capabilities.has(capability)) rules.push(allow(names));
  if (!capabilities.has("SYS_ADMIN")) {
    rules.push({
      names: ["clone"],
      action: "SCMP_ACT_ALLOW",
      args: [{ index: 0, value: cloneNamespaceFlags, valueTwo: 0, op: "SCMP_CMP_MASKED_EQ" }],
    });
    // Its flags are behind a pointer that a filter cannot follow: C libraries fall back to clone.
    rules.push({ names: ["clone3"], action: "SCMP_ACT_ERRNO", errnoRet: enosys });
  }
  return { defaultAction: "SCMP_ACT_ERRNO", defaultErrnoRet: 1, syscalls: rules };
}
