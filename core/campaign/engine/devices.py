"""The GPUs of this machine: asked of NVML through its official binding, and only when somebody asks.

The binding (``nvidia-ml-py``) is an extra.  Without it, without a driver or without a device there are none, and the
answer says which of these it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any

from msgspec import Struct

#: The named slot that is detected.
GPU = "gpu"
VISIBLE = "CUDA_VISIBLE_DEVICES"
_MIG = "MIG-"


class Gpu(Struct, frozen=True):
    """One device: its UUID, as CUDA and NVML both know it, its product name, and what else its driver tells."""

    uuid: str
    name: str
    memory_bytes: int | None = None
    driver: str | None = None
    vbios: str | None = None


class Gpus(Struct, frozen=True):
    """What was found, in PCI bus order as ``nvidia-smi`` counts them; ``why_none`` where there is none."""

    devices: tuple[Gpu, ...] = ()
    why_none: str | None = None


def detect() -> Gpus:
    """Ask NVML for the devices; never raises: absence of binding, driver or device is an answer."""
    try:
        # By name and now: most campaigns ask for no GPU, and the binding is an extra.
        nvml = import_module("pynvml")
    except ImportError:
        return Gpus(why_none="nvidia-ml-py is not installed")
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        return Gpus(why_none=_why(nvml, error))
    try:
        devices = tuple(_devices(nvml))
    except nvml.NVMLError as error:
        return Gpus(why_none=f"the NVIDIA driver cannot list its devices: {error}")
    finally:
        with suppress(nvml.NVMLError):
            nvml.nvmlShutdown()
    return Gpus(devices, None if devices else "the NVIDIA driver sees no device")


def _devices(nvml: Any) -> Iterator[Gpu]:
    driver = _told(nvml, nvml.nvmlSystemGetDriverVersion)
    for index in range(nvml.nvmlDeviceGetCount()):
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        memory = _told(nvml, nvml.nvmlDeviceGetMemoryInfo, handle)
        vbios = _told(nvml, nvml.nvmlDeviceGetVbiosVersion, handle)
        yield Gpu(
            _text(nvml.nvmlDeviceGetUUID(handle)),
            _text(nvml.nvmlDeviceGetName(handle)),
            memory_bytes=int(memory.total) if memory is not None else None,
            driver=_text(driver) if driver else None,
            vbios=_text(vbios) if vbios else None,
        )


def _told(nvml: Any, question: Callable[..., Any], *about: Any) -> Any:
    """What a driver answers that need not: not every device knows everything."""
    try:
        return question(*about)
    except nvml.NVMLError:
        return None


def _text(answer: str | bytes) -> str:
    """Older bindings of the same name answer in bytes."""
    return answer.decode(errors="replace") if isinstance(answer, bytes) else answer


def _why(nvml: Any, error: Any) -> str:
    match error.value:
        case nvml.NVML_ERROR_LIBRARY_NOT_FOUND:
            return "there is no NVIDIA driver: libnvidia-ml.so.1 was not found"
        case nvml.NVML_ERROR_DRIVER_NOT_LOADED:
            return "the NVIDIA driver is not loaded"
        case nvml.NVML_ERROR_NO_PERMISSION:
            return "the NVIDIA driver may not be used by this user"
    return f"the NVIDIA driver does not answer: {error}"


def visible(gpus: Gpus, inherited: str | None) -> Gpus:
    """Those that an inherited ``CUDA_VISIBLE_DEVICES`` leaves, in its order; without one, all.

    As CUDA reads it: indexes, UUIDs or unambiguous beginnings of them; the list ends at the first that names nothing,
    or names one again.
    """
    if inherited is None or not gpus.devices:
        return gpus
    found: list[Gpu] = []
    for entry in listed(inherited):
        device = _named(gpus.devices, entry)
        if device is None or device in found:
            break
        found.append(device)
    return Gpus(tuple(found), None if found else f"{VISIBLE}={inherited} leaves none of {len(gpus.devices)}")


def listed(inherited: str) -> tuple[str, ...]:
    """The entries of ``CUDA_VISIBLE_DEVICES``."""
    return tuple(entry.strip() for entry in inherited.split(",")) if inherited.strip() else ()


def _named(devices: Sequence[Gpu], entry: str) -> Gpu | None:
    if entry.isascii() and entry.isdigit():
        return devices[int(entry)] if int(entry) < len(devices) else None
    if entry.startswith(_MIG):
        return Gpu(entry, "a MIG instance")
    matches = [each for each in devices if entry and each.uuid.startswith(entry)]
    return matches[0] if len(matches) == 1 else None
