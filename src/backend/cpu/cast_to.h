/* Template: the rows that turn every type into one. Included by cast.c with
     TO   the type they make, whose functions <TO>_of_<VIA> exist for the types that stand for all
          sources: i32, i64, u64, f32, f64, c64 */

#define FROM b8
#define VIA i32
#include "backend/cpu/cast_pair.h"
#define FROM u8
#define VIA i32
#include "backend/cpu/cast_pair.h"
#define FROM u16
#define VIA i32
#include "backend/cpu/cast_pair.h"
#define FROM u32
#define VIA i64
#include "backend/cpu/cast_pair.h"
#define FROM u64
#define VIA u64
#include "backend/cpu/cast_pair.h"
#define FROM i8
#define VIA i32
#include "backend/cpu/cast_pair.h"
#define FROM i16
#define VIA i32
#include "backend/cpu/cast_pair.h"
#define FROM i32
#define VIA i32
#include "backend/cpu/cast_pair.h"
#define FROM i64
#define VIA i64
#include "backend/cpu/cast_pair.h"
#define FROM f16
#define VIA f32
#include "backend/cpu/cast_pair.h"
#define FROM f32
#define VIA f32
#define WIDE WR_WIDE
#include "backend/cpu/cast_pair.h"
#define FROM f64
#define VIA f64
#include "backend/cpu/cast_pair.h"
#define FROM bf16
#define VIA f32
#include "backend/cpu/cast_pair.h"
#define FROM c64
#define VIA c64
#include "backend/cpu/cast_pair.h"

static const wr_row_fn WR_PASTE(to_, TO)[WR_DTYPE_COUNT] = {
#define WR_EL(ID, el) [ID] = WR_PASTE(TO, _from_##el),
#include "backend/cpu/types.def"
#undef WR_EL
};

#undef TO
