/* The names that MLX prints. Operations that it has not have names of the same kind. No locks. */

#include "ops/primitive.h"

#include "backend/backend.h"

static const char *const names[WR_OP_COUNT] = {
    [WR_OP_DATA] = "Data",
    [WR_OP_PLACEHOLDER] = "Placeholder",
    [WR_OP_AS_STRIDED] = "AsStrided",
    [WR_OP_BROADCAST_TO] = "Broadcast",
    [WR_OP_DEPENDS] = "Depends",
    [WR_OP_DIAGONAL] = "AsStrided",
    [WR_OP_EXPAND_DIMS] = "ExpandDims",
    [WR_OP_FLATTEN] = "Flatten",
    [WR_OP_PART] = "Part",
    [WR_OP_RESHAPE] = "Reshape",
    [WR_OP_SLICE] = "Slice",
    [WR_OP_SPLIT] = "Split",
    [WR_OP_SQUEEZE] = "Squeeze",
    [WR_OP_STOP_GRADIENT] = "StopGradient",
    [WR_OP_TRANSPOSE] = "Transpose",
    [WR_OP_VIEW] = "View",
    [WR_OP_CALL] = "Load",
    [WR_OP_ASTYPE] = "AsType",
    [WR_OP_COPY] = "Copy",
    [WR_OP_CONCATENATE] = "Concatenate",
    [WR_OP_SLICE_UPDATE] = "SliceUpdate",
    [WR_OP_ARANGE] = "Arange",
    [WR_OP_ABS] = "Abs",
    [WR_OP_ARCCOS] = "ArcCos",
    [WR_OP_ARCCOSH] = "ArcCosh",
    [WR_OP_ARCSIN] = "ArcSin",
    [WR_OP_ARCSINH] = "ArcSinh",
    [WR_OP_ARCTAN] = "ArcTan",
    [WR_OP_ARCTANH] = "ArcTanh",
    [WR_OP_BITWISE_INVERT] = "BitwiseInvert",
    [WR_OP_CEIL] = "Ceil",
    [WR_OP_CONJUGATE] = "Conjugate",
    [WR_OP_COS] = "Cos",
    [WR_OP_COSH] = "Cosh",
    [WR_OP_ERF] = "Erf",
    [WR_OP_ERFINV] = "ErfInv",
    [WR_OP_EXP] = "Exp",
    [WR_OP_EXPM1] = "Expm1",
    [WR_OP_FLOOR] = "Floor",
    [WR_OP_IMAG] = "Imag",
    [WR_OP_ISFINITE] = "IsFinite",
    [WR_OP_ISINF] = "IsInf",
    [WR_OP_ISNAN] = "IsNaN",
    [WR_OP_ISNEGINF] = "IsNegInf",
    [WR_OP_ISPOSINF] = "IsPosInf",
    [WR_OP_LOG] = "Log",
    [WR_OP_LOG10] = "Log10",
    [WR_OP_LOG1P] = "Log1p",
    [WR_OP_LOG2] = "Log2",
    [WR_OP_LOGICAL_NOT] = "LogicalNot",
    [WR_OP_NEGATIVE] = "Negative",
    [WR_OP_REAL] = "Real",
    [WR_OP_RECIPROCAL] = "Divide",
    [WR_OP_ROUND] = "Round",
    [WR_OP_RSQRT] = "Rsqrt",
    [WR_OP_SIGMOID] = "Sigmoid",
    [WR_OP_SIGN] = "Sign",
    [WR_OP_SIN] = "Sin",
    [WR_OP_SINH] = "Sinh",
    [WR_OP_SQRT] = "Sqrt",
    [WR_OP_SQUARE] = "Square",
    [WR_OP_TAN] = "Tan",
    [WR_OP_TANH] = "Tanh",
    [WR_OP_ADD] = "Add",
    [WR_OP_ARCTAN2] = "ArcTan2",
    [WR_OP_BITWISE_AND] = "BitwiseAnd",
    [WR_OP_BITWISE_OR] = "BitwiseOr",
    [WR_OP_BITWISE_XOR] = "BitwiseXor",
    [WR_OP_DIVIDE] = "Divide",
    [WR_OP_EQUAL] = "Equal",
    [WR_OP_EQUAL_NAN] = "NaNEqual",
    [WR_OP_FLOOR_DIVIDE] = "FloorDivide",
    [WR_OP_GREATER] = "Greater",
    [WR_OP_GREATER_EQUAL] = "GreaterEqual",
    [WR_OP_LEFT_SHIFT] = "LeftShift",
    [WR_OP_LESS] = "Less",
    [WR_OP_LESS_EQUAL] = "LessEqual",
    [WR_OP_LOGADDEXP] = "LogAddExp",
    [WR_OP_LOGICAL_AND] = "LogicalAnd",
    [WR_OP_LOGICAL_OR] = "LogicalOr",
    [WR_OP_MAXIMUM] = "Maximum",
    [WR_OP_MINIMUM] = "Minimum",
    [WR_OP_MULTIPLY] = "Multiply",
    [WR_OP_NOT_EQUAL] = "NotEqual",
    [WR_OP_POWER] = "Power",
    [WR_OP_REMAINDER] = "Remainder",
    [WR_OP_RIGHT_SHIFT] = "RightShift",
    [WR_OP_SUBTRACT] = "Subtract",
    [WR_OP_WHERE] = "Select",
    [WR_OP_ALL] = "And",
    [WR_OP_ANY] = "Or",
    [WR_OP_MAX] = "Max",
    [WR_OP_MIN] = "Min",
    [WR_OP_PROD] = "Prod",
    [WR_OP_SUM] = "Sum",
    [WR_OP_VARIANCE] = "Variance",
    [WR_OP_ARGMAX] = "ArgReduce",
    [WR_OP_ARGMIN] = "ArgReduce",
    [WR_OP_SOFTMAX] = "Softmax",
    [WR_OP_LOGSUMEXP] = "LogSumExp",
    [WR_OP_ROW_NORM] = "RMSNorm",
    [WR_OP_SCAN] = "Scan",
    [WR_OP_ARGSORT] = "ArgSort",
    [WR_OP_PARTITION] = "Partition",
    [WR_OP_SORT] = "Sort",
    [WR_OP_GATHER] = "Gather",
    [WR_OP_GATHER_AXIS] = "GatherAxis",
    [WR_OP_SCATTER] = "Scatter",
    [WR_OP_CONV] = "Convolution",
    [WR_OP_FFT] = "FFT",
    [WR_OP_CHOLESKY] = "Cholesky",
    [WR_OP_EIG] = "Eig",
    [WR_OP_EIGH] = "Eigh",
    [WR_OP_INV] = "Inverse",
    [WR_OP_LU] = "LUF",
    [WR_OP_LU_FACTOR] = "LUF",
    [WR_OP_QR] = "QRF",
    [WR_OP_SOLVE] = "Solve",
    [WR_OP_SOLVE_TRIANGULAR] = "SolveTriangular",
    [WR_OP_SVD] = "SVD",
    [WR_OP_TRI_INV] = "Inverse",
    [WR_OP_HADAMARD] = "Hadamard",
    [WR_OP_MATMUL] = "Matmul",
    [WR_OP_ADDMM] = "AddMM",
    [WR_OP_RANDOM_BITS] = "RandomBits",
    [WR_OP_QUANTIZE] = "Quantize",
    [WR_OP_DEQUANTIZE] = "Quantize",
    [WR_OP_QUANTIZED_MATMUL] = "QuantizedMatmul",
    [WR_OP_ATTENTION] = "ScaledDotProductAttention",
    [WR_OP_KERNEL] = "CustomKernel",
};

static const char *scan(enum wr_op by) {
  switch ((int)by) {
    case WR_OP_MULTIPLY:
      return "CumProd";
    case WR_OP_MAXIMUM:
      return "CumMax";
    case WR_OP_MINIMUM:
      return "CumMin";
    case WR_OP_LOGADDEXP:
      return "CumLogaddexp";
    default:
      return "CumSum";
  }
}

const char *wr_ops_primitive(enum wr_op op, const void *params) {
  if (!params) return names[op];
  if (op == WR_OP_SCAN) return scan(((const struct wr_scan_params *)params)->by);
  if (op == WR_OP_ROW_NORM && ((const struct wr_row_norm_params *)params)->centred) {
    return "LayerNorm";
  }
  if (op == WR_OP_CALL) return ((const struct wr_call_params *)params)->callee->name;
  return names[op];
}
