"""onnxruntime on an export."""

import onnxruntime


def run_onnx(export, x):
    """The outputs of the export's model, in order."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    name = next(name for name in export.files if name.endswith(".onnx"))
    session = onnxruntime.InferenceSession(f"{export.folder}/{name}", options, ["CPUExecutionProvider"])
    return session.run(None, {"input": x})
