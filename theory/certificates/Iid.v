(* A certificate that Rocq checks, written by spechub-lp check-certificate --rocq.

   2 drafts at 3 tokens. Compile it in the folder theory of spechub_lp, after `make`:

     coqc -Q dominance Dominance -Q border Border -Q certificates Certificates FILE.v

   It compiles only if alpha is the optimum. Print Assumptions says what the proof rests on. *)

From Coq Require Import BinPos BinInt.
From Dominance Require Import Program.
From Certificates Require Import Fractions Checker Policies.
From mathcomp Require Import all_ssreflect ssralg ssrnum.

Definition p : seq fraction :=
  ([:: 0 // 1; 1 // 5; 4 // 5])%fraction.

Definition drafted : policy :=
  (Iid [:: 3 // 5; 3 // 10; 1 // 10])%fraction.

Definition proof : certificate :=
  (Certificate p
  [:: ([:: 0; 0], [:: (2, 9 // 25)]);
     ([:: 0; 1], [:: (1, 9 // 50)]);
     ([:: 0; 2], [:: (2, 3 // 50)]);
     ([:: 1; 0], [:: (1, 1 // 50); (2, 4 // 25)]);
     ([:: 1; 1], [:: (2, 9 // 100)]);
     ([:: 1; 2], [:: (2, 3 // 100)]);
     ([:: 2; 0], [:: (2, 3 // 50)]);
     ([:: 2; 1], [:: (2, 3 // 100)]);
     ([:: 2; 2], [:: (2, 1 // 100)])]
  [:: 0; 1] (39 // 100))%fraction.

Lemma accepted : well_formed 2 2 drafted && check 2.+1 2 (computed drafted) proof.
Proof. by vm_compute. Qed.

(* `joint` is the distribution of the drafts, and p as a function of tokens is `masses R p` *)
Theorem optimum (R : realFieldType) :
  [/\ law (joint R 2 2 drafted), law (masses R p : 'I_2.+1 -> R)
    & is_optimum (joint R 2 2 drafted) (masses R p) (rational R (39 // 100))].
Proof. exact: certified accepted. Qed.

Print Assumptions optimum.
