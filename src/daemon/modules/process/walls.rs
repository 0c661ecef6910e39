//! What the process of a module can no longer do.
//!
//! Landlock keeps files, seccomp keeps the rest of the kernel. Landlock is as good as the kernel's
//! version of it; seccomp is required.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, LandlockStatus,
    PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr, Scope,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

use super::super::protocol::Setup;

/// Raises both walls around this process, for good. The version of Landlock in force, 0 for none.
///
/// # Errors
/// A path of `writable` does not exist; the kernel has no seccomp.
pub(super) fn raise(setup: &Setup) -> io::Result<u8> {
    let landlock = files(setup).map_err(io::Error::other)?;
    system_calls(setup.network).map_err(io::Error::other)?;
    Ok(landlock)
}

/// Everything can be read, only `writable` be changed. From version 6 on, neither signals nor
/// abstract Unix sockets reach outside; from version 9 on, no Unix sockets but pcscd's and those
/// below `writable`.
fn files(setup: &Setup) -> Result<u8, Box<dyn std::error::Error + Send + Sync>> {
    let all = AccessFs::from_all(NEWEST);
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(all)?
        .scope(Scope::from_all(NEWEST))?;
    if !setup.network {
        rules = rules.handle_access(AccessNet::from_all(NEWEST))?;
    }
    let mut rules = rules
        .create()?
        .add_rule(rule("/".as_ref(), AccessFs::ReadFile | AccessFs::ReadDir)?)?
        .add_rule(rule("/dev/null".as_ref(), AccessFs::WriteFile.into())?)?;
    for path in &setup.writable {
        rules = rules.add_rule(rule(path, all & !AccessFs::Execute)?)?;
    }
    let pcscd = std::env::var_os("PCSCLITE_CSOCK_NAME");
    let pcscd = Path::new(pcscd.as_deref().unwrap_or_else(|| PCSCD.as_ref()));
    // The folder: the socket is another one after each start of pcscd.
    if let Some(folder) = pcscd.parent()
        && folder.is_dir()
    {
        rules = rules.add_rule(rule(folder, AccessFs::ResolveUnix.into())?)?;
    }
    Ok(match rules.restrict_self()?.landlock {
        LandlockStatus::Available { effective_abi, .. } => effective_abi as u8,
        _ => 0,
    })
}

/// What a file cannot do (be listed, hold others) is left out for files.
fn rule(path: &Path, access: BitFlags<AccessFs>) -> io::Result<PathBeneath<PathFd>> {
    let named =
        |error: &dyn std::fmt::Display| io::Error::other(format!("{}: {error}", path.display()));
    let is_folder = path.metadata().map_err(|error| named(&error))?.is_dir();
    let access = if is_folder {
        access
    } else {
        access & AccessFs::from_file(NEWEST)
    };
    let opened = PathFd::new(path).map_err(|error| named(&error))?;
    Ok(PathBeneath::new(opened, access))
}

/// A list of what is denied, not of what is allowed: nobody knows what a vendor's library needs.
/// What is not here is bounded by Landlock, by the resource limits, or harmless.
fn system_calls(network: bool) -> Result<(), seccompiler::Error> {
    // `ENOSYS`: the C library falls back to `clone`, whose flags can be looked at.
    let absent = [libc::SYS_clone3, libc::SYS_io_uring_setup];
    let absent = absent.into_iter().map(|call| (call, Vec::new())).collect();
    seccompiler::apply_filter(&filter(absent, libc::ENOSYS)?)?;
    seccompiler::apply_filter(&filter(denied(network)?, libc::EPERM)?)
}

fn filter(rules: Rules, errno: i32) -> Result<BpfProgram, seccompiler::BackendError> {
    SeccompFilter::new(
        rules,
        SeccompAction::Allow,
        SeccompAction::Errno(errno.cast_unsigned()),
        std::env::consts::ARCH.try_into()?,
    )?
    .try_into()
}

/// For each call the rules of which one must hold for it to be denied; no rule: always.
type Rules = BTreeMap<i64, Vec<SeccompRule>>;

fn denied(network: bool) -> Result<Rules, seccompiler::BackendError> {
    let mut rules: Rules = NEVER
        .iter()
        .chain(LEGACY)
        .map(|call| (*call, Vec::new()))
        .collect();
    #[cfg(target_arch = "x86_64")]
    rules.extend(x32().map(|call| (call, Vec::new())));

    let is = |argument, value| condition(argument, SeccompCmpOp::Eq, value);
    let is_not = |argument, value| condition(argument, SeccompCmpOp::Ne, value);
    let ourselves = u64::from(std::process::id());
    let any = |argument, values: &[u64]| {
        let rules = values
            .iter()
            .map(|value| SeccompRule::new(vec![is(argument, *value)?]));
        rules.collect::<Result<Vec<_>, _>>()
    };
    let none = |argument, values: &[u64]| {
        let conditions = values.iter().map(|value| is_not(argument, *value));
        let conditions = conditions.collect::<Result<Vec<_>, _>>()?;
        Ok::<_, seccompiler::BackendError>(vec![SeccompRule::new(conditions)?])
    };

    // Threads, never processes.
    let thread = libc::CLONE_THREAD.cast_unsigned().into();
    let process = condition(0, SeccompCmpOp::MaskedEq(thread), 0)?;
    rules.insert(libc::SYS_clone, vec![SeccompRule::new(vec![process])?]);
    // Sockets: Unix ones, and with `network` those of the Internet and what looks up names and
    // routes for them.
    let families: &[i32] = if network {
        &[
            libc::AF_UNIX,
            libc::AF_INET,
            libc::AF_INET6,
            libc::AF_NETLINK,
        ]
    } else {
        &[libc::AF_UNIX]
    };
    let families: Vec<u64> = families
        .iter()
        .map(|family| family.cast_unsigned().into())
        .collect();
    rules.insert(libc::SYS_socket, none(0, &families)?);
    // Signals to ourselves only, limits of ourselves only.
    rules.insert(libc::SYS_kill, none(0, &[ourselves])?);
    rules.insert(libc::SYS_tgkill, none(0, &[ourselves])?);
    rules.insert(libc::SYS_prlimit64, none(0, &[0, ourselves])?);
    // The ways to send signals through a descriptor.
    rules.insert(libc::SYS_fcntl, any(1, &[F_SETOWN, F_SETOWN_EX])?);
    // The same, and typing into a terminal.
    let requests = [FIOSETOWN, SIOCSPGRP, libc::TIOCSTI, libc::TIOCLINUX];
    rules.insert(libc::SYS_ioctl, any(1, &requests)?);
    // Dying with the daemon, and being closed to debuggers, cannot be taken back.
    let options = [
        libc::PR_SET_PDEATHSIG,
        libc::PR_SET_DUMPABLE,
        libc::PR_SET_PTRACER,
    ];
    let options = options.map(|option| option.cast_unsigned().into());
    rules.insert(libc::SYS_prctl, any(0, &options)?);
    Ok(rules)
}

fn condition(
    argument: u8,
    operator: SeccompCmpOp,
    value: u64,
) -> Result<SeccompCondition, seccompiler::BackendError> {
    // The kernel looks at the lower half of these arguments only.
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)
}

/// The calls of the x32 interface have the same architecture as ours, and other numbers: those of
/// ours with a mark, and 36 of their own.
#[cfg(target_arch = "x86_64")]
fn x32() -> impl Iterator<Item = i64> {
    const MARK: i64 = 0x4000_0000;
    let conditional = [
        libc::SYS_clone,
        libc::SYS_clone3,
        libc::SYS_fcntl,
        libc::SYS_io_uring_setup,
        libc::SYS_kill,
        libc::SYS_prctl,
        libc::SYS_prlimit64,
        libc::SYS_socket,
        libc::SYS_tgkill,
    ];
    let own = 512..=547;
    let ours = NEVER.iter().chain(LEGACY).copied().chain(conditional);
    ours.chain(own).map(|call| call | MARK)
}

/// The newest version of Landlock whose rights are asked for; older kernels do what they can.
const NEWEST: ABI = ABI::V9;

/// Where pcscd listens.
const PCSCD: &str = "/run/pcscd/pcscd.comm";

/// Commands that the crate does not name, or names in a type of their own.
const F_SETOWN: u64 = 8;
const F_SETOWN_EX: u64 = 15;
const FIOSETOWN: u64 = 0x8901;
const SIOCSPGRP: u64 = 0x8902;

/// Calls that no module has a use for, whatever their arguments.
const NEVER: &[i64] = &[
    // Other programs.
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_kcmp,
    libc::SYS_move_pages,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_process_madvise,
    libc::SYS_process_mrelease,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_ptrace,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_tkill,
    // How they are scheduled.
    libc::SYS_ioprio_set,
    libc::SYS_migrate_pages,
    libc::SYS_sched_setattr,
    libc::SYS_sched_setparam,
    libc::SYS_sched_setscheduler,
    libc::SYS_setpriority,
    // What Landlock leaves: owners, modes, times and attributes of files that can only be read;
    // truncating by name, before version 3.
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    FCHMODAT2,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    FILE_SETATTR,
    libc::SYS_fremovexattr,
    libc::SYS_fsetxattr,
    libc::SYS_lremovexattr,
    libc::SYS_lsetxattr,
    libc::SYS_removexattr,
    REMOVEXATTRAT,
    libc::SYS_setxattr,
    SETXATTRAT,
    libc::SYS_truncate,
    libc::SYS_utimensat,
    // Mounts and namespaces.
    libc::SYS_chroot,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fsopen,
    libc::SYS_fspick,
    libc::SYS_mount,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_pivot_root,
    libc::SYS_setns,
    libc::SYS_umount2,
    libc::SYS_unshare,
    // Other users.
    libc::SYS_capset,
    libc::SYS_setfsgid,
    libc::SYS_setfsuid,
    libc::SYS_setgid,
    libc::SYS_setgroups,
    libc::SYS_setregid,
    libc::SYS_setresgid,
    libc::SYS_setresuid,
    libc::SYS_setreuid,
    libc::SYS_setuid,
    // Keys of the kernel.
    libc::SYS_add_key,
    libc::SYS_keyctl,
    libc::SYS_request_key,
    // Wide doors into the kernel.
    libc::SYS_bpf,
    libc::SYS_fanotify_init,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_lookup_dcookie,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    libc::SYS_perf_event_open,
    libc::SYS_personality,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_syslog,
    libc::SYS_userfaultfd,
    // The machine.
    libc::SYS_acct,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    libc::SYS_clock_settime,
    libc::SYS_delete_module,
    libc::SYS_finit_module,
    libc::SYS_init_module,
    libc::SYS_kexec_file_load,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_setdomainname,
    libc::SYS_sethostname,
    libc::SYS_settimeofday,
    libc::SYS_swapoff,
    libc::SYS_swapon,
    libc::SYS_vhangup,
];

/// Numbers that are too new for the crate; the same on every architecture.
const FCHMODAT2: i64 = 452;
const SETXATTRAT: i64 = 463;
const REMOVEXATTRAT: i64 = 466;
const FILE_SETATTR: i64 = 469;

/// Older forms of the same.
#[cfg(target_arch = "x86_64")]
const LEGACY: &[i64] = &[
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_fork,
    libc::SYS_futimesat,
    libc::SYS_ioperm,
    libc::SYS_iopl,
    libc::SYS_lchown,
    libc::SYS_modify_ldt,
    libc::SYS_uselib,
    libc::SYS_utime,
    libc::SYS_utimes,
    libc::SYS_vfork,
];
#[cfg(not(target_arch = "x86_64"))]
const LEGACY: &[i64] = &[];
