"""Lets PyPI's torch, which is built for CUDA, load on a machine that has no GPU.

torch's libraries name 2.2 GB of NVIDIA libraries as needed, so the loader refuses
them without, although nothing in those is ever called on the CPU. This writes, next
to torch's own, a small library for each missing one, which defines the names torch
asks for and answers every call with an error. The real CUDA runtime (two megabytes)
has to be installed: it is what says "no GPU here".

Run with the Python of the virtual environment that holds torch. Needs a C compiler
and readelf.
"""

import importlib.util
import pathlib
import re
import subprocess
import tempfile

# Libraries whose names torch's symbol tables do not mark with the library.
PREFIXES = {
    "libcufile.so.0": "cuFile",
    "libcusparseLt.so.0": "cusparseLt",
    "libnccl.so.2": "nccl",
    "libnvshmem_host.so.3": "nvshmem",
}
DRIVER = "libcuda.so.1"  # belongs to the graphics driver; only looked for when there is one
NO_DEVICE = 100  # cudaErrorNoDevice; to every one of these libraries an error


def main():
    torch = pathlib.Path(importlib.util.find_spec("torch").origin).parent
    present = {path.name for path in torch.joinpath("lib").iterdir()}
    present |= {path.name for path in torch.parent.joinpath("nvidia").rglob("*.so*")}

    needed, wanted = set(), set()
    for library in torch.joinpath("lib").glob("*.so"):
        needed |= set(re.findall(r"NEEDED.*\[(.+)\]", readelf("--dynamic", library)))
        wanted |= undefined_names(library)

    for soname in sorted(needed - present - {DRIVER}):
        if not re.match(r"lib(cu|nv|nccl)", soname):
            continue  # the C library and its like
        prefix = PREFIXES.get(soname)
        names = {
            name: version
            for name, version in wanted
            if version == soname or (prefix and name.startswith(prefix))
        }
        compile_library(torch / "lib" / soname, names)
        print(f"{soname}: {len(names)} names")


def readelf(option, library):
    command = ["readelf", "--wide", option, library]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def undefined_names(library):
    """The names a library takes from others, each with its version mark or an empty string."""
    names = set()
    for line in readelf("--dyn-syms", library).splitlines():
        fields = line.split()
        if len(fields) >= 8 and fields[6] == "UND":
            name, _, version = fields[7].partition("@")
            names.add((name, version.lstrip("@")))
    return names


def compile_library(path, names):
    functions = "".join(f"int {name}(void) {{ return {NO_DEVICE}; }}\n" for name in sorted(names))
    version = next(filter(None, names.values()), "")
    with tempfile.TemporaryDirectory() as folder:
        source, versions = pathlib.Path(folder, "absent.c"), pathlib.Path(folder, "absent.map")
        source.write_text(functions)
        versions.write_text(version + " { global: *; };\n")
        linker = f"-Wl,-soname,{path.name},--version-script,{versions}"
        subprocess.run(["cc", "-shared", "-fPIC", "-w", linker, "-o", path, source], check=True)


if __name__ == "__main__":
    main()
