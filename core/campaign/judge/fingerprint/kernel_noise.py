"""Functions of the Linux kernel that only report, lock, wait, allocate or copy for others, by families of names."""

from __future__ import annotations

from campaign.judge.fingerprint.forms import noise

#: What reports: sanitizers, warnings, traps, panics, fault injection.
_REPORTING = noise(
    starts="""
    dump_stack dump_backtrace show_stack show_regs show_trace sched_show_task warn report_bug fixup_bug die oops bug
    fortify nmi_ kasan_ asan_ hwasan_ kmsan_ msan_ kcsan_ tsan_ kfence_ ubsan_ sanitizer_ kcov_ check_memory_region
    object_err slab_err handle_overflow check_poison kmemleak create_object should_fail rust_helper_
    debug_print_object do_error_trap do_invalid_op do_trap do_general_protection do_page_fault do_double_fault
    do_divide_error handle_bug do_user_addr_fault do_kern_addr_fault do_kernel_fault do_tag do_mem_abort
    do_translation_fault die_kernel_fault exc_ asm_exc_ sysvec_ asm_sysvec_ general_protection page_fault
    double_fault invalid_op divide_error error_entry error_exit early_ async_page_fault no_context bad_area fault_
    el0 el1 x86_indirect_thunk
    """,
    contains="panic print_bug print_usage print_address print_bad print_report report_bug rust_begin_unwind",
)
_LOCKING = noise(
    starts="""
    lock_ lockdep_ debug_object debug_check_no debug_mutex debug_spin debug_smp check_prev check_noncircular
    check_deadlock check_irq check_unlock check_flush check_preemption validate_chain mark_lock mark_held
    valid_state register_lock_class look_up_lock assign_lock_key might_ spin_bug spin_dump add_lock print_ raw_spin_
    raw_read_ raw_write_ do_raw_ spin_lock spin_unlock spin_trylock read_lock read_unlock write_lock write_unlock
    queued_ native_queued_ rwlock_ bit_spin_ mutex_ rt_mutex_ ww_mutex_ rwsem_ percpu_down percpu_up down_ up_
    folio_lock folio_unlock
    """,
    names="down up",
)
_WAITING = noise(
    starts="""
    schedule preempt_ wait_for wait_on io_schedule context_switch cond_resched completion do_wait wait_rcu bit_wait
    swake wake_up switch_to prepare_to_wait prepare_to_swait finish_wait finish_swait try_to_wake_up flush_work
    flush_delayed drain_work cancel_work cancel_delayed
    """,
    names="complete",
)
#: What others call to allocate, to copy and to keep lists and counts.
_HELPERS = noise(
    starts="""
    kmalloc kzalloc kcalloc krealloc kfree kvmalloc kvzalloc kvfree kvrealloc vmalloc vzalloc vfree kmemdup kstrdup
    kmem_cache_ kmem devm_k slab_ slub mempool_ alloc_pages alloc_page alloc_slab alloc_percpu alloc_frozen_pages
    free_pages free_page free_slab free_percpu free_debug free_hot free_pcp free_unref cache_alloc cache_free
    cache_grow cache_flush new_slab qlist quarantine do_slab_free pcpu_ skb_put skb_push skb_pull memcpy memmove
    memset memcmp memchr memscan memdup strcpy strncpy strlcpy strscpy strcmp strncmp strcasecmp strlen strnlen
    strchr strrchr strstr strcat strlcat strpbrk read_word copy_to copy_from copy_in copy_out copy_user copyin
    copyout raw_copy csum_partial_copy instrument_copy check_copy check_heap check_object usercopy get_user put_user
    list_add list_del list_move hlist_ refcount_ kref_ kobject_get kobject_put atomic arch_atomic test_bit set_bit
    clear_bit rb_erase rb_insert rb_next rb_first xas_ radix_tree bitmap_ jhash siphash vsnprintf snprintf printk
    vprintk console_unlock stack_trace_ save_stack arch_stack unwind trace_ debug_lockdep rcu_read rcu_is
    rcu_lockdep arch_local
    """,
)
#: The interrupt that finds a stall.
_INTERRUPT = noise(
    starts="""
    irq do_irq do_softirq softirq hardirq handle_irq handle_domain_irq handle_percpu handle_edge handle_fasteoi
    generic_handle invoke_softirq smp_apic apic_ smp_reboot smp_reschedule smp_call_function_interrupt
    call_function_ reschedule_ local_apic hrtimer_ tick_ update_process_times gic_ arch_timer rcu_core rcu_process
    rcu_do_batch rcu_gp rcu_check rcu_sched rcu_pending rcu_momentary rcu_note rcu_dump rcu_qs rcu_eqs rcu_irq
    rcu_nmi rcu_idle rcu_exp rcu_free rcu_preempt watchdog arch_trigger trigger_ walk_stackframe print_cpu_stall
    check_cpu_stall serial8250 uart_ io_serial console_ wait_for_xmitr retint restore_ preempt_schedule csd_lock
    dump_cpu_task call_on_irq_stack do_interrupt
    """,
    names="stext",
)
#: What every thread and system call goes through before it reaches anything particular.
ENTRY = noise(
    starts="""
    do_syscall entry_ sys_call syscall_ x64_sys ia32_ arm64_sys se_sys se_compat do_fast_syscall do_int80 sysenter
    int_ret tracesys invoke_syscall exit_to_user prepare_exit task_work_run do_group_exit do_exit get_signal
    do_signal arch_do_signal do_notify ret_from_ ret_fast_ kthread worker_thread process_one_work process_scheduled
    kernel_thread kernel_init kernel_clone start_kernel secondary_startup x86_64_start cpu_startup start_secondary
    rest_init do_idle cpuidle default_idle smpboot_thread run_ksoftirqd call_timer_fn expire_timers run_timer
    run_timers sys_ SyS_ SYSC C_SYSC compat_ ksys_ do_sys_ do_vfs_ vfs_ fput do_iter_ do_readv do_writev do_compat_
    new_sync_ call_read_iter call_write_iter sock_ inet_sendmsg inet6_sendmsg netlink_ rtnetlink_ genl_ nfnetlink_
    do_el0 el0
    """,
    contains="_compat_",
)
HELPING = _REPORTING | _LOCKING | _WAITING | _HELPERS
#: What stands in the trace of a stall beside what stalled.
BESIDE = _REPORTING | _INTERRUPT
#: Whatever is nobody's own.
COMMON = HELPING | _INTERRUPT | ENTRY
