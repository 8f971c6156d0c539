Doubles a decimal number 5000 times and prints it: 2 to the 5000th
A digit has four cells: 1 if in use; value; carry from below; scratch
The group below the lowest has a 0 in front and holds both counters

c1 is 200
>>++++++++++[<++++++++++++++++++++>-]<
the first digit is 1
>>>+>+<<<<
[-
  >+++++++++++++++++++++++++[->>
    every digit
    [
      twice the value and the carry are at most 19
      >[->>++<<]>[->+<]>
      [-<<+>>[-<<+>>[-<<+>>[-<<+>>[-<<+>>[-<<+>>[-<<+>>[-<<+>>[-<<+>>
        the tenth carries
        [-<<[-]>>>>>+<<<[-<<+>>]]
      ]]]]]]]]]
      >
    ]
    the last carry is a digit
    >>[-<+<+>>]<<
    <<<<[<<<<]>>
  ]<
]
from the highest digit down
>>>[>>>>]<<<<
[>>++++++++[-<++++++>]<.<<<<<]
++++++++++.
