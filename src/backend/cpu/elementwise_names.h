/* Template: what templates of rows call their types, and the names of functions. Included with
     EL   the element type
     CT   the type that is computed in, whose functions OP names
     INPUTS   of the operations: 1 or 2
   elementwise_rows.h undefines them. */

#define E WR_PASTE(wr_el_, EL)
#define C WR_PASTE(wr_ct_, EL)
#define LOAD WR_PASTE(wr_load_, EL)
#define STORE WR_PASTE(wr_store_, EL)
#define ROW(name) WR_PASTE(EL, WR_PASTE(_row, WR_PASTE(INPUTS, name)))
#define OP(name) WR_PASTE(CT, name)
