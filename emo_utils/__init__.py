"""What the notebooks of the companion share.

Import the module you need (`from emo_utils import train`): this file imports nothing, so that
`emo --help` and the step graph start without loading torch.
"""
