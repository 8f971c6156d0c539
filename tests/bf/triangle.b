Rows of stars that grow by one
c0 newline
++++++++++
c1 star from c2
>>++++++[<+++++++>-]
c2 rows
++++++++++++
[
  c3 length; copied by way of c5 to c4
  >+[>+>+<<-]>>[<<+>>-]
  <[<<<.>>>-]
  <<<<.>>-
]
