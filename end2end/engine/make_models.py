"""Makes the two model files that the tests' sampling graph uses, from random weights.

A picture of noise is all that a test needs: what counts is that ComfyUI takes them for
a Stable Diffusion 2 UNet and a small autoencoder, and so samples step by step with
progress and previews, on a CPU, without a download.

Usage: COMFYUI_PYTHON make_models.py COMFYUI_DIR MODELS_DIR
"""

import sys
from pathlib import Path

comfyui_dir, models_dir = Path(sys.argv[1]), Path(sys.argv[2])
sys.path.insert(0, str(comfyui_dir))
sys.argv = [sys.argv[0], "--cpu"]  # ComfyUI reads its options from here while it is imported.

import comfy.options  # noqa: E402

comfy.options.enable_args_parsing()

import torch  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

import comfy.ops  # noqa: E402
from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel  # noqa: E402
from comfy.taesd.taesd import TAESD  # noqa: E402


def save(module, folder, name):
    target = models_dir / folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".partial")
    torch.manual_seed(1)
    weights = {key: (torch.randn_like(value.float()) * 0.05).half() for key, value in module.state_dict().items()}
    save_file(weights, str(partial))
    partial.rename(target)


# The widths are those by which ComfyUI knows the model; the depth is the least there is.
unet = UNetModel(
    image_size=32,
    in_channels=4,
    out_channels=4,
    model_channels=320,
    num_res_blocks=[1, 1],
    channel_mult=[1, 1],
    transformer_depth=[0, 1],
    transformer_depth_middle=1,
    transformer_depth_output=[0, 0, 1, 1],
    num_head_channels=64,
    use_spatial_transformer=True,
    use_linear_in_transformer=True,
    context_dim=1024,
    dtype=torch.float32,
    operations=comfy.ops.disable_weight_init,
)
save(unet, "diffusion_models", "tiny-unet.safetensors")
save(TAESD(latent_channels=4), "vae", "tiny-vae.safetensors")
